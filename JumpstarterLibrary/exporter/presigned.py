"""Presigned requests: the exporter itself fetches a file for a driver, or stores what a driver writes (protocol §4.4)."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import IO, Any

import anyio
import anyio.to_thread
from anyio.abc import ObjectStream

from ..wire.abandoned import Abandoned
from ..wire.web import Response, WebError, is_web, request
from .transfers import Transfer

PIECE = 1024 * 1024
"""Bytes that are read from a web server at once."""
IN_MEMORY = 16 * 1024 * 1024
"""Bytes that a driver may write before they go to a temporary file. Stores want to know the size before the first byte."""


@asynccontextmanager
async def open_presigned(handle: Mapping[str, Any]) -> AsyncIterator[Transfer]:
    """Opens the stream of a presigned request. What a driver wrote is stored when it closes the stream without an error.

    Raises:
        ValueError: the handle is malformed, or of a scheme or method that exporters do not serve.
        OSError: the web server says no, cannot be reached or breaks off.
    """
    url, method, headers = _parts(handle)
    abandoned = Abandoned()
    try:
        if method == "GET":
            stack = ExitStack()
            try:
                response = await _in_thread(partial(stack.enter_context, request(url, abandoned, headers=headers)))
                stack.callback(abandoned.set)  # first, as a thread may still be reading
                yield Transfer(_Fetched(response), complete=True)
            finally:
                stack.close()  # without the driver's error, which is not the request's
        else:
            with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
                yield Transfer(_Written(file), complete=True)
                size = file.tell()
                file.seek(0)
                await _in_thread(partial(_store, url, abandoned, headers, file, size))
    finally:
        abandoned.set()


def _parts(handle: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
    url, method, headers = handle.get("url"), handle.get("method"), handle.get("headers")
    if not isinstance(url, str) or not is_web(url):
        raise ValueError("a presigned request needs an http or https address as its url")
    if method not in ("GET", "PUT"):
        raise ValueError("a presigned request has the method GET or PUT")
    if not isinstance(headers, Mapping) or not all(isinstance(value, str) for value in headers.values()):
        raise ValueError("a presigned request has an object with texts as its headers")
    return url, method, {str(name): value for name, value in headers.items()}


class _Fetched(ObjectStream[bytes]):
    """What a web server sends."""

    def __init__(self, response: Response) -> None:
        self._response = response

    async def receive(self) -> bytes:
        data: bytes = await _in_thread(partial(self._response.read, PIECE))
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        raise OSError("this file is fetched from the web: it can only be read")

    async def send_eof(self) -> None:
        """There is nothing to end."""

    async def aclose(self) -> None:
        """The block that opened it closes it."""


class _Written(ObjectStream[bytes]):
    """What a driver writes, until all of it is there."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    async def receive(self) -> bytes:
        raise anyio.EndOfStream

    async def send(self, item: bytes) -> None:
        await anyio.to_thread.run_sync(self._file.write, item)

    async def send_eof(self) -> None:
        """The block that opened it stores the file."""

    async def aclose(self) -> None:
        """The block that opened it stores the file."""


def _store(url: str, abandoned: Abandoned, headers: Mapping[str, str], file: IO[bytes], size: int) -> None:
    with request(url, abandoned, method="PUT", headers=headers, body=file, size=size) as response:
        response.read(PIECE)


async def _in_thread(act: Any) -> Any:
    try:
        return await anyio.to_thread.run_sync(act, abandon_on_cancel=True)
    except WebError as error:
        raise OSError(f"the exporter's web request failed: {error}") from None
