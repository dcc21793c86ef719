"""The child process of the lab double: controller, router, and the control channel of the test."""

import asyncio
import dataclasses
import signal
import time
from pathlib import Path
from typing import Any

import grpc
from jumpstarter_protocol import client_pb2_grpc, jumpstarter_pb2_grpc, router_pb2_grpc

from . import control
from .clients import ClientService
from .controller import ControllerService
from .fronts import Relay
from .journal import Journal
from .objects import Client, Exporter, Lease, Policy, Settings
from .router import RouterService
from .world import World

SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),
    # Clients and exporters ping an idle connection every 20 s (§6.3).
    ("grpc.http2.min_ping_interval_without_data_ms", 1000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)
FOREVER = 1e9


class Double:
    """Performs what `Lab` asks; each public method is a command."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._world = World(options["namespace"], Settings(**options["settings"]))
        self._journal = Journal()
        self._addresses: dict[str, str] = {}
        self._relays: dict[str, Relay] = {}
        self._servers: list[Any] = []
        self._router = RouterService(self._world, self._journal)
        self._controller: ControllerService

    async def start(self) -> None:
        """Listens."""
        router = self._server()
        router_pb2_grpc.add_RouterServiceServicer_to_server(self._router, router)
        await self._open("router", router)
        self._controller = ControllerService(self._world, self._journal, self._addresses["router"])
        controller = self._server()
        jumpstarter_pb2_grpc.add_ControllerServiceServicer_to_server(self._controller, controller)
        client_pb2_grpc.add_ClientServiceServicer_to_server(ClientService(self._world, self._journal), controller)
        await self._open("controller", controller)

    async def run(self) -> None:
        """Serves until SIGTERM."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        reconciling = asyncio.ensure_future(self._world.reconcile_forever())
        # If the loop of leases ends, the double is broken, and says so by ending.
        await asyncio.wait({asyncio.ensure_future(stop.wait()), reconciling}, return_when=asyncio.FIRST_COMPLETED)
        if reconciling.done():
            reconciling.result()
        for relay in self._relays.values():
            await relay.set("down")
        await asyncio.gather(*(server.stop(None) for server in self._servers))

    def _server(self) -> Any:
        server = grpc.aio.server(options=SERVER_OPTIONS)
        self._servers.append(server)
        return server

    async def _open(self, front: str, server: Any) -> None:
        folder = Path(self._options["folder"])
        pair = ((folder / "server.key").read_bytes(), (folder / "server.pem").read_bytes())
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        await server.start()
        if self._options["fronts"]:
            relay = self._relays[front] = Relay(port)
            await relay.set("open")
            port = relay.port
        self._addresses[front] = f"127.0.0.1:{port}"

    # ---------------------------------------------------------------- objects

    def addresses(self) -> dict[str, str]:
        return self._addresses

    def token(self, name: str, kind: str, expires_in: float, issuer: str | None) -> str:
        return self._world.token(kind, name, expires_in, issuer)

    def expire_tokens(self, name: str, kind: str) -> None:
        holder = (self._world.clients if kind == "Client" else self._world.exporters)[name]
        self._world.expired_subjects[self._world.subject(holder)] = self._world.now()

    def add_client(self, name: str, labels: dict[str, str] | None) -> None:
        client = self._world.clients.setdefault(name, Client(self._world.namespace, name))
        if labels is not None:
            client.labels = labels

    def add_exporter(self, name: str, labels: dict[str, str] | None, enabled: bool) -> None:
        exporter = self._world.exporters.setdefault(name, Exporter(self._world.namespace, name))
        if labels is not None:
            exporter.labels = labels
        exporter.enabled = enabled
        self._world.changed()

    def set_exporter(self, name: str, **changes: Any) -> None:
        exporter = self._world.exporters[name]
        if (online := changes.pop("online", None)) is not None:
            exporter.last_seen = self._world.now() if online else None
            exporter.watchers = exporter.watchers if online else 0
        for key, value in changes.items():
            if key not in ("labels", "enabled", "status", "message"):
                raise ValueError(f"an exporter has no '{key}' to set")
            setattr(exporter, key, value)
        self._world.changed()

    def exporters(self) -> dict[str, dict[str, Any]]:
        return {name: self._describe(exporter) for name, exporter in self._world.exporters.items()}

    def _describe(self, exporter: Exporter) -> dict[str, Any]:
        lease = self._world.active_lease(exporter)
        return {
            "labels": exporter.labels,
            "enabled": exporter.enabled,
            "registered": exporter.registered,
            "online": self._world.online(exporter),
            "watching": exporter.watchers > 0,
            "status": exporter.status,
            "message": exporter.message,
            "lease": lease.name if lease else None,
            "listening": lease is not None and lease.name in self._controller.listeners,
        }

    def leases(self, active: bool) -> list[dict[str, Any]]:
        return [_lease(lease) for lease in self._world.leases.values() if not (active and lease.ended)]

    def policies(self, policies: list[dict[str, Any]]) -> None:
        self._world.policies = [Policy.made_of(policy) for policy in policies]
        self._world.changed()

    def requests(self) -> list[dict[str, Any]]:
        return self._journal.requests

    def clear_requests(self) -> None:
        self._journal.requests.clear()

    # ---------------------------------------------------------------- leases

    def hold(self, seconds: float | None, reason: str | None, message: str) -> None:
        self._world.held_until = time.monotonic() + (FOREVER if seconds is None else seconds)
        self._world.hold_reason = (reason, message) if reason is not None else None

    def unhold(self) -> None:
        self._world.held_until = None
        self._world.changed()

    def condition(self, type: str, status: str, reason: str, message: str, lease: str | None, times: int) -> None:  # noqa: A002
        if lease is None:
            script = {"type": type, "status": status, "reason": reason, "message": message}
            self._world.scripted.append({**script, "times": times, "applied": []})
        else:
            self._world.set_condition(self._world.leases[lease], type, reason, message, status)
            self._world.changed()

    def expire_lease(self, name: str) -> None:
        self._world.expire(self._world.leases[name])

    def release_lease(self, name: str) -> None:
        self._world.leases[name].released = True
        self._world.changed()

    def delete_lease(self, name: str) -> None:
        del self._world.leases[name]
        self._world.changed()

    def transfer_lease(self, name: str, client: str) -> None:
        self._world.leases[name].client = self._world.clients[client].name
        self._world.changed()

    # ---------------------------------------------------------------- faults

    def refuse(self, method: str, code: str, text: str, times: int | None, lost_answer: bool) -> None:
        self._journal.refuse(method, code, text, times, lost_answer)

    def delay(self, method: str, seconds: float, times: int | None, regardless: bool) -> None:
        self._journal.delay(method, seconds, times, regardless)

    async def network(self, front: str, mode: str, delay: float, rate: float | None) -> None:
        await self._relays[front].set(mode, delay, rate)

    def tunnels(self) -> list[dict[str, Any]]:
        return [
            {
                "subject": tunnel.subject,
                "lease": self._controller.streams.get(tunnel.subject),
                "joined": tunnel.second is not None,
                "bytes": sum(tunnel.bytes_from.values()),
            }
            for tunnel in self._router.tunnels.values()
        ]

    def cut_tunnels(self, code: str, text: str) -> int:
        return self._router.cut(code, text)

    def shape_tunnels(self, frozen: bool, delay: float, rate: float | None) -> None:
        shape = self._router.shape
        shape.delay, shape.rate = delay, rate
        if frozen:
            shape.thawed.clear()
        else:
            shape.thawed.set()

    def clock(self, skew: float) -> None:
        self._world.skew = skew
        self._world.changed()

    def settings(self, **changes: float | str) -> dict[str, float | str]:
        self._world.settings = dataclasses.replace(self._world.settings, **changes)
        self._world.changed()
        return dataclasses.asdict(self._world.settings)

    def perform(self, command: str, arguments: dict[str, Any]) -> Any:
        """Runs one command."""
        if command.startswith("_") or command in ("start", "run", "perform"):
            raise ValueError(f"no command '{command}'")
        return getattr(self, command)(**arguments)


def _lease(lease: Lease) -> dict[str, Any]:
    return {
        "name": lease.name,
        "client": lease.client,
        "exporter": lease.exporter,
        "exporter_name": lease.exporter_name,
        "selector": str(lease.selector),
        "duration": lease.duration,
        "begin_time": lease.begin_time,
        "end_time": lease.end_time,
        "effective_begin_time": lease.effective_begin,
        "effective_end_time": lease.effective_end,
        "tags": lease.tags,
        "ended": lease.ended,
        "released": lease.released,
        "conditions": [
            {"type": each.type, "status": each.status, "reason": each.reason, "message": each.message}
            for each in lease.conditions
        ],
    }


async def _main() -> None:
    options = control.options()
    double = Double(options)
    await double.start()
    await control.serve(options["control"], double.perform)
    print("lab double listens", flush=True)
    await double.run()


if __name__ == "__main__":
    asyncio.run(_main())
