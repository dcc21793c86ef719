"""Sends or receives through a tunnel to bench_router.py, and prints the seconds; `python … to|from SOCKET`.

`python … to|from ADDRESS CA` does the same without a tunnel, by a stream of its own and nothing else: no tunnel can be quicker.
"""

import queue
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
from bench_router import FRAME, METHOD, SIZE, frame

BLOCK = bytes(2**20)
LARGE = 512 * 1024


def by_socket(way: str, path: str) -> float:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(b"w" if way == "to" else b"r")
        assert connection.recv(1) == b"x"
        begin = time.perf_counter()
        if way == "to":
            for _ in range(SIZE // len(BLOCK)):
                connection.sendall(BLOCK)
            assert connection.recv(1) == b"x"
        else:
            left, room = SIZE, memoryview(bytearray(len(BLOCK)))
            while left:
                left -= (got := connection.recv_into(room))
                assert got
        return time.perf_counter() - begin


def by_stream(way: str, address: str, ca: str) -> float:
    frames: queue.SimpleQueue[Callable[[], Iterator[bytes]]] = queue.SimpleQueue()

    def sent() -> Iterator[bytes]:
        yield frame(b"w" if way == "to" else b"r")
        yield from frames.get()()

    options = (("grpc.max_receive_message_length", -1),)
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(Path(ca).read_bytes()), options=options) as channel:
        answers = channel.stream_stream(METHOD)(sent())
        next(answers)
        begin = time.perf_counter()
        if way == "to":
            payload = bytes(LARGE)
            frames.put(lambda: (frame(payload) for _ in range(SIZE // LARGE)))
            next(answers)
        else:
            for _ in range(SIZE // FRAME):
                next(answers)
            frames.put(lambda: iter(()))
        return time.perf_counter() - begin


if __name__ == "__main__":
    way, *where = sys.argv[1:]
    print(by_socket(way, *where) if len(where) == 1 else by_stream(way, *where))
