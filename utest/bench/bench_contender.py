"""A client in a process of its own, which does what it is told over standard input and answers with the times it took.

Run as `python bench_contender.py KIND HOST`; KIND is `ours`, `upstream` or `raw` (nothing but gRPC's synchronous stubs), and
for echoes of one byte `console` (ours), `upstream-stream` or `raw-stream`. For `leased` (ours) and `upstream-leased` HOST is a
client configuration, with which they lease `board=mock`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Act = Callable[[], object]


@contextlib.contextmanager
def ours(host: str) -> Iterator[Act]:
    """Opens our client; gives the call."""
    from JumpstarterLibrary.client import connect

    with connect(host) as device:
        yield device.root.on


@contextlib.contextmanager
def upstream(host: str) -> Iterator[Act]:
    """Opens upstream's client; gives the call."""
    from jumpstarter.utils.env import env

    os.environ |= {"JUMPSTARTER_HOST": host, "JMP_DRIVERS_ALLOW": "UNSAFE"}
    with env() as client:
        yield client.on


@contextlib.contextmanager
def raw(host: str) -> Iterator[Act]:
    """Opens a channel and fetches the report; gives the call. What no client can be below."""
    import grpc
    from google.protobuf.empty_pb2 import Empty
    from jumpstarter_protocol import jumpstarter_pb2, jumpstarter_pb2_grpc

    with grpc.insecure_channel(f"unix:{host}") as channel:
        stub = jumpstarter_pb2_grpc.ExporterServiceStub(channel)
        uuid = _leaf(stub.GetReport(Empty(), timeout=30).reports)
        yield lambda: stub.DriverCall(jumpstarter_pb2.DriverCallRequest(uuid=uuid, method="on"), timeout=30)


@contextlib.contextmanager
def console(host: str) -> Iterator[Act]:
    """Opens our console on the only driver without children; gives the echo of a byte."""
    from JumpstarterLibrary.client import connect
    from JumpstarterLibrary.client.serial import SerialClient

    with connect(host) as device:
        path = next(node.path for node in device.tree.walk() if not node.children)
        opened = SerialClient(device, device.driver(path).node).open_console()

        def echo() -> None:
            opened.write(b"x")
            opened.wait_for_bytes(b"x")

        yield echo


@contextlib.contextmanager
def upstream_stream(host: str) -> Iterator[Act]:
    """Opens upstream's stream; gives the echo of a byte."""
    from jumpstarter.utils.env import env

    os.environ |= {"JUMPSTARTER_HOST": host, "JMP_DRIVERS_ALLOW": "UNSAFE"}
    with env() as client, client.stream() as stream:

        def echo() -> None:
            stream.send(b"x")
            assert stream.receive() == b"x"

        yield echo


@contextlib.contextmanager
def raw_stream(host: str) -> Iterator[Act]:
    """Opens a stream of gRPC's to the only driver without children; gives the echo of a byte. What no client can be below."""
    import queue

    import grpc
    from google.protobuf.empty_pb2 import Empty
    from jumpstarter_protocol import jumpstarter_pb2_grpc, router_pb2, router_pb2_grpc

    with grpc.insecure_channel(f"unix:{host}") as channel:
        uuid = _leaf(jumpstarter_pb2_grpc.ExporterServiceStub(channel).GetReport(Empty(), timeout=30).reports)
        waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        request = json.dumps({"kind": "driver", "uuid": uuid, "method": "connect"})
        stream = router_pb2_grpc.RouterServiceStub(channel).Stream(iter(waiting.get, None), metadata=(("request", request),))

        def echo() -> None:
            waiting.put(router_pb2.StreamRequest(payload=b"x"))
            assert next(stream).payload == b"x"

        try:
            yield echo
        finally:
            stream.cancel()
            waiting.put(None)


@contextlib.contextmanager
def leased(config: str) -> Iterator[Act]:
    """Leases by our library, and gives the lease back; gives the call."""
    from datetime import timedelta

    from JumpstarterLibrary.lab import held
    from JumpstarterLibrary.lab.wish import Wish
    from JumpstarterLibrary.sessions import Sessions

    sessions = Sessions()
    try:
        wish = Wish(client_config=Path(config), selector="board=mock", acquisition_timeout=timedelta(seconds=60))
        yield sessions.open(wish=wish, timeout=60).device.driver("power").on
    finally:
        sessions.close_all()
        held.release_all()


@contextlib.contextmanager
def upstream_leased(config: str) -> Iterator[Act]:
    """Leases by upstream's client, and gives the lease back; gives the call."""
    from jumpstarter.config.client import ClientConfigV1Alpha1

    with ClientConfigV1Alpha1.from_file(config).lease(selector="board=mock") as lease, lease.connect() as client:
        yield client.power.on


def _leaf(rows: Any) -> str:
    """The uuid of the only driver without children."""
    parents = {row.parent_uuid for row in rows if row.HasField("parent_uuid")}
    return next(row.uuid for row in rows if row.uuid not in parents)


def time_calls(opened: Act, count: int) -> list[float]:
    """Seconds of each of so many calls."""
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        opened()
        taken.append(time.perf_counter() - begin)
    return taken


def time_sessions(opener: Callable[[str], Any], host: str, count: int) -> list[float]:
    """Seconds of each of so many times open, first call and close."""
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        with opener(host) as call:
            call()
        taken.append(time.perf_counter() - begin)
    return taken


def open_many(host: str, count: int) -> dict[str, float]:
    """Opens so many sessions at once, as Robot and pytest do; what they cost this process."""
    from JumpstarterLibrary.sessions import Sessions

    before = _usage()
    begin = time.perf_counter()
    sessions = Sessions()
    for number in range(count):
        sessions.open(host, alias=f"device {number}")
    taken = time.perf_counter() - begin
    after = _usage()
    begin = time.perf_counter()
    sessions.close_all()
    closing = time.perf_counter() - begin
    return {"open": taken, "close": closing, **{name: (after[name] - before[name]) / count for name in after}}


def _usage() -> dict[str, float]:
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        "bytes": resident,
        "threads": len(os.listdir("/proc/self/task")),  # noqa: PTH208 - the kernel's list has gRPC's own threads too
        "python threads": threading.active_count(),
    }


def main() -> None:
    """Answers each line of standard input with one line."""
    kind, host = sys.argv[1:]
    kinds = {"ours": ours, "upstream": upstream, "raw": raw, "console": console, "upstream-stream": upstream_stream}
    kinds |= {"raw-stream": raw_stream, "leased": leased, "upstream-leased": upstream_leased}
    opener = kinds[kind]
    with contextlib.ExitStack() as stack:
        opened: Act | None = None
        for line in sys.stdin:
            command, count = line.split()
            answer: object
            if command == "calls":
                opened = opened or stack.enter_context(opener(host))
                answer = time_calls(opened, int(count))
            elif command == "sessions":
                answer = time_sessions(opener, host, int(count))
            else:
                answer = open_many(host, int(count))
            print(f"ANSWER {json.dumps(answer)}", flush=True)


if __name__ == "__main__":
    main()
