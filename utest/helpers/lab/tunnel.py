"""A plain tunnel for tests that must not depend on the library's: one Dial and two threads per connection (§8.6, §8.7)."""

import contextlib
import queue
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

from jumpstarter_protocol import router_pb2

CHUNK = 65536
GOAWAY = router_pb2.FRAME_TYPE_GOAWAY


@contextlib.contextmanager
def open_tunnel(dial: Callable[[], Any], open_stream: Callable[[Any, Iterator[Any]], Any]) -> Iterator[str]:
    """Gives the path of a Unix socket whose connections reach the exporter's session.

    Args:
        dial: makes one Dial.
        open_stream: opens the router stream of a dial with the frames that it will send.
    """
    folder = tempfile.mkdtemp(prefix="tunnel-")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{folder}/socket")
    listener.listen()
    streams: list[Any] = []

    def accept() -> None:
        # The listener is shut down at the end.
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=_bridge, args=(connection, dial, open_stream, streams), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"{folder}/socket"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for stream in streams:
            stream.cancel()
        shutil.rmtree(folder, ignore_errors=True)


def _bridge(connection: socket.socket, dial: Callable[[], Any], open_stream: Any, streams: list[Any]) -> None:
    frames: queue.Queue[Any] = queue.Queue(16)
    # Whatever breaks, here it ends in a closed connection; that is what a client sees.
    with contextlib.suppress(Exception), connection:
        stream = open_stream(dial(), iter(frames.get, None))
        streams.append(stream)

        def outward() -> None:
            with contextlib.suppress(OSError):
                while data := connection.recv(CHUNK):
                    frames.put(router_pb2.StreamRequest(payload=data))
            frames.put(router_pb2.StreamRequest(frame_type=GOAWAY))
            frames.put(None)

        threading.Thread(target=outward, daemon=True).start()
        try:
            for frame in stream:
                if frame.frame_type == GOAWAY:
                    break
                connection.sendall(frame.payload)
        finally:
            stream.cancel()
            connection.shutdown(socket.SHUT_RDWR)
