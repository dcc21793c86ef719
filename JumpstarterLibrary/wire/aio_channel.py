"""Asynchronous gRPC channels, for code in the event loop; the passphrase goes with every RPC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grpc import aio

from .protocol import PASSPHRASE_KEY


async def open_aio_channel(target: str, options: Sequence[tuple[str, object]], credentials: Any, passphrase: str | None) -> Any:
    """Makes a channel that belongs to the running loop.

    Args:
        target: what gRPC takes.
        options: gRPC's channel arguments.
        credentials: None for plaintext.
        passphrase: what the exporter wants, if anything (protocol §6.4).
    """
    interceptors = [kind(passphrase) for kind in _KINDS] if passphrase else None
    if credentials is None:
        return aio.insecure_channel(target, options=options, interceptors=interceptors)
    return aio.secure_channel(target, credentials, options=options, interceptors=interceptors)


class _Passphrase:
    def __init__(self, passphrase: str) -> None:
        self._passphrase = passphrase

    def _with(self, details: Any) -> aio.ClientCallDetails:
        metadata = aio.Metadata(*(details.metadata or ()), (PASSPHRASE_KEY, self._passphrase))
        return aio.ClientCallDetails(details.method, details.timeout, metadata, details.credentials, details.wait_for_ready)


# gRPC takes an object for one kind of call only, even if it could serve several.
class _UnaryUnary(_Passphrase, aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # gRPC has no types
    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(self._with(details), request)


class _UnaryStream(_Passphrase, aio.UnaryStreamClientInterceptor):  # type: ignore[misc]
    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(self._with(details), request)


class _StreamStream(_Passphrase, aio.StreamStreamClientInterceptor):  # type: ignore[misc]
    async def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return await continuation(self._with(details), requests)


_KINDS = (_UnaryUnary, _UnaryStream, _StreamStream)
