"""The TCP server behind the forwarded ports, in a process of its own; prints its port.

The first byte of a connection says what it is for: `e` gives back what comes, `u` counts it and tells how much it was, `d` is
followed by a number and gives so many MiB.
"""

from __future__ import annotations

import contextlib
import socket
import threading

MIB = 1024 * 1024


def serve(connection: socket.socket) -> None:
    """Serves one connection."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, contextlib.suppress(OSError):
        purpose = connection.recv(1)
        if purpose == b"e":
            while data := connection.recv(65536):
                connection.sendall(data)
        elif purpose == b"u":
            count, buffer = 0, bytearray(MIB)
            while taken := connection.recv_into(buffer):
                count += taken
            connection.sendall(str(count).encode())
        else:
            piece = bytes(MIB)
            for _ in range(int(connection.recv(20))):
                connection.sendall(piece)


def main() -> None:
    """Serves until it is killed."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
