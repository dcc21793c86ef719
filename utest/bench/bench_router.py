"""A router that is the far end itself, for the tunnel's rows; `python … KEY CERTIFICATE`, then it prints `PORT=`.

It does not take frames apart where it can do without, so that what is measured is the near end. A connection's first byte
says what it wants, and is answered by one: after `w` it swallows bytes until there are `SIZE`, then answers with another;
after `r` it gives so many. What else dials, such as the lab's exporter, is heard and not answered.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from jumpstarter_protocol import router_pb2

SIZE = 256 * 2**20
FRAME = 64 * 1024
"""Bytes of a frame that upstream's exporter sends."""
METHOD = "/jumpstarter.v1.RouterService/Stream"


def frame(payload: bytes) -> bytes:
    """A frame as it is on the wire."""
    return router_pb2.StreamResponse(payload=payload).SerializeToString()


def stream(frames: Iterator[bytes], context: Any) -> Iterator[bytes]:
    """Serves one connection."""
    wanted, left = b"", SIZE + 1
    for data in frames:
        if not wanted:
            wanted = router_pb2.StreamRequest.FromString(data).payload[:1]
            if wanted in b"rw":
                yield frame(b"x")
        if wanted == b"r":
            yield from [frame(b"x" * FRAME)] * (SIZE // FRAME)
            return
        if wanted == b"w":
            left -= len(router_pb2.StreamRequest.FromString(data).payload)
            if left == 0:
                yield frame(b"x")
                return


class Router(grpc.GenericRpcHandler):
    """The one method."""

    def service(self, details: Any) -> Any:
        """Its handler, without any decoding."""
        return grpc.stream_stream_rpc_method_handler(stream) if details.method == METHOD else None


if __name__ == "__main__":
    key, certificate = (Path(path).read_bytes() for path in sys.argv[1:])
    server = grpc.server(ThreadPoolExecutor(256), options=(("grpc.max_receive_message_length", -1),))
    server.add_generic_rpc_handlers((Router(),))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    server.start()
    print(f"PORT={port}", flush=True)
    time.sleep(3600)
