"""Compressed images: told by their first bytes, unpacked and packed while they stream, with all members (protocol §4.5)."""

from __future__ import annotations

import bz2
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK = 1024 * 1024
"""Bytes that one step of unpacking gives at most, so that a small archive of a large image stays small in memory."""

HEAD = 64
"""Bytes from the beginning of a file that tell its encoding."""

_MAGIC = re.compile(
    rb"(?P<gzip>\x1f\x8b\x08)"
    rb"|(?P<xz>\xfd7zXZ\x00)"
    rb"|(?P<bz2>BZh[1-9](1AY&SY|\x17rE8P\x90))"
    rb"|(?P<zstd>\x28\xb5\x2f\xfd)",
    re.DOTALL,
)
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18(?P<size>.{4})", re.DOTALL)
_FRAME_BEGIN = re.compile(rb"(\x28(\xb5(\x2f\xfd?)?)?|[\x50-\x5f](\x2a(\x4d\x18?)?)?)?")  # or what the head still has of it


class Encoding(Enum):
    """How an image is packed; the values are the wire's words."""

    GZIP = "gzip"
    XZ = "xz"
    BZ2 = "bz2"
    ZSTD = "zstd"


class CompressionError(ValueError):
    """An archive is corrupt, or ends too early."""


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class _Gzip:
    """zlib's decoder with the interface of the other three."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail and not self._full

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = BLOCK, /) -> bytes:
        given = self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)
        self._full = len(given) >= max_length  # then it may hold more, although it took all input
        return given


_DECODERS: dict[Encoding, Callable[[], _Decoder]] = {
    Encoding.GZIP: _Gzip,
    Encoding.XZ: lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
    Encoding.BZ2: bz2.BZ2Decompressor,
    Encoding.ZSTD: zstd.ZstdDecompressor,
}
_ENCODERS: dict[Encoding, Callable[[], Any]] = {
    Encoding.GZIP: lambda: zlib.compressobj(wbits=31),
    Encoding.XZ: lzma.LZMACompressor,
    Encoding.BZ2: bz2.BZ2Compressor,
    Encoding.ZSTD: zstd.ZstdCompressor,
}
_ERRORS = (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, EOFError, ValueError, MemoryError)


def detect(head: bytes) -> Encoding | None:
    """Tells the encoding of a file by its first bytes, at best `HEAD` of them."""
    match = _MAGIC.match(head)
    if match and match.lastgroup:
        return Encoding(match.lastgroup)
    # Parallel packers put frames before the data that hold no data, with the sizes of the others in them.
    place = 0
    while frame := _SKIPPABLE.match(head, place):
        place = frame.end() + int.from_bytes(frame["size"], "little")
    return Encoding.ZSTD if place and _FRAME_BEGIN.fullmatch(head[place : place + 4]) else None


class Unpacker:
    """Unpacks an archive that comes in pieces; members and frames that follow each other are one image (D6)."""

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self._decoder: _Decoder | None = None
        self._members = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Takes a piece of the archive and gives what is in it, at most `BLOCK` bytes at a time.

        Raises:
            CompressionError: it is corrupt.
        """
        while data:
            if self._decoder is None:
                if self._members and not (data := data.lstrip(b"\0")):  # padding, as tapes and xz want it
                    return
                self._decoder = _DECODERS[self.encoding]()
            decoder = self._decoder
            yield from self._step(decoder, data)
            while not decoder.eof and not decoder.needs_input:
                yield from self._step(decoder, b"")
            data = b""
            if decoder.eof:
                data, self._decoder = decoder.unused_data, None
                self._members += 1

    def finish(self) -> None:
        """Says that there is no more.

        Raises:
            CompressionError: there should be more.
        """
        if self._decoder is not None or not self._members:
            raise CompressionError(f"the {self.encoding.value} data ends too early: it is truncated")

    def _step(self, decoder: _Decoder, data: bytes) -> Iterator[bytes]:
        try:
            unpacked = decoder.decompress(data, BLOCK)
        except _ERRORS as error:
            where = f" after {self._members} complete parts" if self._members else ""
            raise CompressionError(f"the {self.encoding.value} data is corrupt{where}: {error}") from None
        if unpacked:
            yield unpacked


class Packer:
    """Packs an image that comes in pieces."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoder = _ENCODERS[encoding]()

    def feed(self, data: bytes) -> bytes:
        """Takes a piece of the image and gives what is packed so far."""
        packed: bytes = self._encoder.compress(data)
        return packed

    def finish(self) -> bytes:
        """Gives the end of the archive."""
        rest: bytes = self._encoder.flush()
        return rest


def unpack(encoding: Encoding, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Unpacks an archive that comes in pieces.

    Raises:
        CompressionError: it is corrupt or truncated.
    """
    unpacker = Unpacker(encoding)
    for piece in pieces:
        yield from unpacker.feed(piece)
    unpacker.finish()
