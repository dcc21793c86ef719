"""A small HTTP server for the simulated board: GET and HEAD on a byte stream, one answer for each connection."""

from __future__ import annotations

import http
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import anyio

from ..exporter.resources import ByteStream

LONGEST_REQUEST = 64 * 1024
"""Bytes of a request's head."""
REQUEST_BUDGET = 30.0
"""Seconds in which a client has to send its request."""
BOUNDARY = "frame"


@dataclass(frozen=True)
class Answer:
    """What is sent for a request."""

    body: bytes | AsyncIterator[bytes] = b""
    """The content; an iterator has no length and ends with the connection."""
    kind: str = "text/plain; charset=utf-8"
    status: int = 200

    @classmethod
    def json(cls, value: object) -> Answer:
        """An answer with a value as JSON."""
        return cls(json.dumps(value).encode(), "application/json")

    @classmethod
    def error(cls, status: int, text: str) -> Answer:
        """An answer that something is wrong."""
        return cls(f"{text}\n".encode(), status=status)


Respond = Callable[[str], Awaitable[Answer]]
"""Makes the answer for a path."""


async def serve_http(stream: ByteStream, respond: Respond) -> None:
    """Serves one connection.

    Args:
        stream: the server's end.
        respond: makes the answer for a path.
    """
    try:
        method, path = await _read_request(stream)
    except anyio.EndOfStream:
        return
    except ValueError as error:
        method, answer = "GET", Answer.error(400, str(error))
    else:
        if method in ("GET", "HEAD"):
            answer = await respond(path)
        else:
            answer = Answer.error(405, f"{method} is not possible here")
    lines = [
        f"HTTP/1.1 {answer.status} {http.HTTPStatus(answer.status).phrase}",
        "Server: simboard",
        f"Content-Type: {answer.kind}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if isinstance(answer.body, bytes):
        lines.append(f"Content-Length: {len(answer.body)}")
    await stream.send("\r\n".join([*lines, "", ""]).encode())
    if method == "GET":
        if isinstance(answer.body, bytes):
            await stream.send(answer.body)
        else:
            async for part in answer.body:
                await stream.send(part)
    await stream.send_eof()


async def _read_request(stream: ByteStream) -> tuple[str, str]:
    head = b""
    with anyio.move_on_after(REQUEST_BUDGET):
        while b"\r\n\r\n" not in head and b"\n\n" not in head:
            head += await stream.receive()
            if len(head) > LONGEST_REQUEST:
                raise ValueError("the request is too long")
        words = head.split(b"\n", 1)[0].decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/"):
            raise ValueError("this is no HTTP request")
        return words[0].upper(), unquote(urlsplit(words[1]).path) or "/"
    raise ValueError("the request did not come in time")


async def frames_of(pictures: AsyncIterator[tuple[bytes, str]]) -> AsyncIterator[bytes]:
    """Turns pictures with their types into the parts of an endless picture, as browsers show it."""
    async for picture, kind in pictures:
        head = f"--{BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Length: {len(picture)}\r\n\r\n"
        yield head.encode() + picture + b"\r\n"
