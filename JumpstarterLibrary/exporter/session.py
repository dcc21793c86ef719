"""The session server: one gRPC server over one driver tree, on Unix sockets and TCP ports (protocol §2, §5, §6)."""

from __future__ import annotations

import contextlib
import functools
import logging
import ssl
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import anyio
import grpc
from jumpstarter_protocol import jumpstarter_pb2_grpc, router_pb2_grpc

from ..errors import ConfigurationError, DriverError, UsageError
from ..wire import event_loop
from ..wire.address import Address
from ..wire.protocol import ExporterStatus, LogSource, status_name
from ..wire.socket_folder import folder_for_sockets
from . import calls
from .calls import CallRefusedError
from .composite import resolver_for
from .driver import Driver, Row, walk
from .logs import HubHandler, LogHub, context_logging
from .services import ExporterService, PassphraseGuard, RouterService, parse_uuid

DRIVER_BUDGET = 10.0
"""Seconds that one driver's `reset` or `close` gets."""
CLOSE_BUDGET = 12.0
"""Seconds that all drivers together get to close; what is left then is not waited for."""
STOP_BUDGET = 2.0
"""Seconds that stopping a listener is waited for."""
STOP_GRACE = 0.2
"""Seconds that running RPCs get when a listener stops."""

_SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.absolute_max_metadata_size", 128 * 1024),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(frozen=True)
class ServerTls:
    """A server's certificate chain and private key, both as PEM."""

    certificate: bytes
    private_key: bytes = field(repr=False)


@dataclass(frozen=True)
class StatusRecord:
    """What `GetStatus` answers; the version grows with every update (protocol §5.2)."""

    status: ExporterStatus
    message: str = ""
    version: int = 0
    previous: ExporterStatus | None = None


class Session:
    """Serves a driver tree.

    ```python
    with Session(root_device=MockPower()) as session, session.serve_unix() as path:
        ...  # JUMPSTARTER_HOST=path reaches it
    ```

    Served locally, with no lease, it is LEASE_READY at once.

    Args:
        root_device: the driver at the root.
        lease: name of the lease that this session serves, if any; only then `EndSession` ends it (§5.4).
        labels: the exporter's labels, for the report.

    Raises:
        ConfigurationError: on entering, when a proxy points nowhere or in a circle, or two drivers share a uuid.
        DriverError: on entering, when a driver cannot be reset.
    """

    def __init__(self, *, root_device: Driver, lease: str | None = None, labels: dict[str, str] | None = None) -> None:
        self.uuid = uuid4()
        self.root_device = root_device
        self.lease = lease
        self.labels = labels or {}
        self.log = LogHub()
        self.logger = logging.Logger("session")  # noqa: LOG001 - this session's own, gone with it
        self.logger.addHandler(HubHandler(self.log, LogSource.SYSTEM))
        self.rows: list[Row] = []
        self.threads: anyio.CapacityLimiter  # made on entering, in the loop
        self.status_record = StatusRecord(ExporterStatus.AVAILABLE if lease else ExporterStatus.LEASE_READY)
        self.has_after_lease_hook = False
        """Whether whoever serves the lease runs a hook after `end_requested`, and sets the statuses; set by that one."""
        self.end_requested = threading.Event()
        """Set when the client has ended the session of its lease."""
        self._drivers: dict[UUID, Driver] = {}
        self._by_text: dict[str, Driver] = {}
        """The same by the uuid as clients write it, which saves reading it in every call."""
        self._status_lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._entered = False

    # ------------------------------------------------------------------ life

    def __enter__(self) -> Self:
        if self._entered:
            raise UsageError("This Session was already entered; make a new one.")
        self._entered = True
        stack = contextlib.ExitStack()
        try:
            self.rows = list(walk(self.root_device, resolver_for(self.root_device)))
            self._drivers = _by_uuid(self.rows)
            self._by_text = {str(uuid): driver for uuid, driver in self._drivers.items()}
            stack.enter_context(context_logging())
            self.threads = event_loop.run(_limiter)
            for driver in self._drivers.values():
                handler = HubHandler(self.log, LogSource.DRIVER, driver.uuid)
                driver.logger.addHandler(handler)
                stack.callback(driver.logger.removeHandler, handler)
            closing = functools.partial(self._run_hooks, "close", list(reversed(self._drivers.values())))
            stack.enter_context(event_loop.closed_at_exit(closing))
            self._reset_on_entering()
            self._stack = stack
            return self
        except BaseException:  # also Robot's timeout and Ctrl-C
            stack.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    # --------------------------------------------------------------- serving

    @contextlib.contextmanager
    def serve_unix(self, *, passphrase: str | None = None) -> Iterator[str]:
        """Serves on a new Unix socket in a folder that only this user may enter; gives the socket's path (§6.2)."""
        base = folder_for_sockets()
        with tempfile.TemporaryDirectory(prefix="jumpstarter-", dir=base, ignore_cleanup_errors=True) as folder:
            path = str(Path(folder) / "socket")
            with self._listen(Address(path=path).grpc_target, None, passphrase):
                yield path

    @contextlib.contextmanager
    def serve_tcp(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ServerTls | None = None,
        passphrase: str | None = None,
        allow_unprotected: bool = False,
    ) -> Iterator[str]:
        """Serves on a TCP port; gives `host:port`.

        Args:
            host: address to listen on.
            port: 0 takes a free one.
            tls: certificate and key; without it the traffic is plaintext.
            passphrase: what every client has to send (§6.4).
            allow_unprotected: allows an address beyond loopback without both TLS and passphrase. Whoever reaches the
                port then commands the hardware.

        Raises:
            ConfigurationError: the address is not loopback and not protected, or cannot be listened on.
        """
        address = Address(host=host, port=port)
        if not address.is_local and not (tls and passphrase) and not allow_unprotected:
            raise ConfigurationError(
                f"Refused to serve on {host}: anybody who reaches it could command the hardware. "
                "Give TLS and a passphrase, listen on 127.0.0.1, or ask for it with allow_unprotected."
            )
        with self._listen(str(address), tls, passphrase) as bound:
            yield str(Address(host=host, port=bound))

    @contextlib.contextmanager
    def _listen(self, target: str, tls: ServerTls | None, passphrase: str | None) -> Iterator[int]:
        if passphrase is not None and not (passphrase.isascii() and passphrase.isprintable() and passphrase.strip()):
            raise ConfigurationError("The passphrase must be printable ASCII text and not empty.")
        if not self.rows:
            raise UsageError("Enter the Session first: with Session(root_device=…) as session, session.serve_unix(): …")
        servers: list[Any] = []  # filled in the loop, so that whoever is interrupted while it starts can stop it

        def stop() -> None:
            # The loop may be closed already, and the server with it; or a driver blocks it, and the server stops when that ends.
            for server in servers:
                with contextlib.suppress(RuntimeError, TimeoutError):
                    event_loop.run(server.stop, STOP_GRACE, timeout=STOP_BUDGET)

        with event_loop.closed_at_exit(stop):
            yield event_loop.run(self._start, servers, target, tls, passphrase)

    async def _start(self, servers: list[Any], target: str, tls: ServerTls | None, passphrase: str | None) -> int:
        _keep_grpc_running()
        guard = [PassphraseGuard(passphrase)] if passphrase is not None else []
        server = grpc.aio.server(interceptors=guard, options=_SERVER_OPTIONS)
        servers.append(server)
        jumpstarter_pb2_grpc.add_ExporterServiceServicer_to_server(ExporterService(self), server)
        router_pb2_grpc.add_RouterServiceServicer_to_server(RouterService(self), server)
        try:
            if tls is None:
                port = server.add_insecure_port(target)
            else:
                check_key_pair(tls)
                pair = (tls.private_key, tls.certificate)
                port = server.add_secure_port(target, grpc.ssl_server_credentials([pair]))
        except RuntimeError:  # gRPC does not say why
            raise ConfigurationError(f"Cannot listen on {target}. Is it in use already, or no address of this machine?") from None
        await server.start()
        return int(port)

    # ---------------------------------------------------------------- status

    @property
    def status(self) -> ExporterStatus:
        """The current status."""
        return self.status_record.status

    def update_status(self, status: int | str, message: str = "") -> None:
        """Sets the status; calls and streams are allowed in the three that `ExporterStatus.allows_calls` names."""
        new = ExporterStatus[status] if isinstance(status, str) else ExporterStatus(int(status))
        with self._status_lock:
            old = self.status_record
            self.status_record = StatusRecord(new, message, old.version + 1, old.status)

    def end(self) -> tuple[bool, str]:
        """What `EndSession` does: asks for the end of a lease's session, once; without a lease it changes nothing (§5.4).

        Where an afterLease hook runs, the statuses follow it: AFTER_LEASE_HOOK, then AVAILABLE. Without one it is AVAILABLE now.
        """
        if self.lease is None:
            return False, "No active lease context"
        self.end_requested.set()
        if self.status.allows_calls and not self.has_after_lease_hook:
            self.update_status(ExporterStatus.AVAILABLE, "Session ended by the client")
        return True, "Session ended"

    def check_status(self) -> None:
        """Refuses a call in a status that does not allow it.

        Raises:
            CallRefusedError: `FAILED_PRECONDITION`.
        """
        if not self.status.allows_calls:
            raise CallRefusedError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"Exporter not ready for driver calls (status: {status_name(self.status)})",
            )

    def driver_for_call(self, uuid: str) -> Driver:
        """Finds a driver by uuid, if the status allows calls at all.

        Raises:
            CallRefusedError: `FAILED_PRECONDITION`, `INVALID_ARGUMENT` or `NOT_FOUND`.
        """
        self.check_status()
        driver = self._by_text.get(uuid) or self._drivers.get(parse_uuid(uuid))
        if driver is None:
            raise CallRefusedError(grpc.StatusCode.NOT_FOUND, f"no driver with uuid {uuid}")
        return driver

    # --------------------------------------------------------------- drivers

    async def reset_drivers(self) -> None:
        """Runs every driver's `reset`, parents first.

        Raises:
            CallRefusedError: one of them failed or took too long; those after it were not reset.
        """
        for driver in self._drivers.values():
            await self._reset_driver(driver)

    async def _reset_driver(self, driver: Driver) -> None:
        try:
            with anyio.fail_after(DRIVER_BUDGET):
                await calls.call(driver.reset, [], self.threads)
        except TimeoutError:
            text = f"{self._place(driver)} could not be reset: it took longer than {DRIVER_BUDGET:g} s"
            raise CallRefusedError(grpc.StatusCode.DEADLINE_EXCEEDED, text) from None
        except CallRefusedError as refusal:
            text = f"{self._place(driver)} could not be reset: {refusal.details}"
            raise CallRefusedError(refusal.code, text) from refusal

    def _place(self, driver: Driver) -> str:
        path = next(row.path for row in self.rows if row.driver is driver)
        return f"driver '{path}' ({type(driver).__name__})" if path else f"the root driver ({type(driver).__name__})"

    def _reset_on_entering(self) -> None:
        try:
            event_loop.run(self.reset_drivers)
        except CallRefusedError as refusal:
            raise DriverError(f"The session cannot start: {refusal.details}") from refusal

    def _run_hooks(self, name: str, drivers: list[Driver]) -> None:
        end = time.monotonic() + CLOSE_BUDGET
        for driver in drivers:
            try:
                event_loop.run(self._run_hook, getattr(driver, name), timeout=max(end - time.monotonic(), 0.1))
            except Exception as error:  # noqa: BLE001 - every driver is closed before anything else happens
                text = _text_of(error)  # a driver's trouble, so no trace of ours
                logging.getLogger(__name__).error("%s of %r failed: %s", name, driver, text)  # noqa: TRY400 - see above

    async def _run_hook(self, hook: Callable[[], Awaitable[None] | None]) -> None:
        with anyio.fail_after(DRIVER_BUDGET):
            await calls.call(hook, [], self.threads)


def _by_uuid(rows: list[Row]) -> dict[UUID, Driver]:
    first: dict[UUID, Row] = {}
    for row in rows:
        other = first.setdefault(row.driver.uuid, row)
        if other.driver is not row.driver:
            raise ConfigurationError(f"The drivers '{other.path}' and '{row.path}' have the same uuid, {row.driver.uuid}.")
    return {uuid: row.driver for uuid, row in first.items()}


@functools.cache
def _keep_grpc_running() -> None:
    # When the last server of a process goes, gRPC closes a socket that the event loop may just be reading, and asyncio
    # writes a traceback. With one user more it never comes to that.
    grpc.aio.init_grpc_aio()


async def _limiter() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(calls.THREADS)


def _text_of(error: Exception) -> str:
    return error.details if isinstance(error, CallRefusedError) else str(error) or type(error).__name__


def check_key_pair(tls: ServerTls) -> None:
    """Checks that certificate and key belong together, as gRPC would only fail on the first connection.

    Raises:
        ConfigurationError: they do not, or are no PEM.
    """
    with tempfile.NamedTemporaryFile() as both:
        both.write(tls.private_key + b"\n" + tls.certificate)
        both.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(both.name)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigurationError(f"The TLS certificate and key cannot be used together: {error}") from None
