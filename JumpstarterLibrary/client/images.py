"""Where the bytes of an upload come from: files, web addresses, bytes; unpacked by content and checked while they stream."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import ConfigurationError
from ..wire.abandoned import Abandoned
from ..wire.compression import BLOCK, HEAD, CompressionError, Encoding, detect, unpack
from ..wire.web import is_web, shown_url, wrong_url
from .origins import check_file, read_bytes, read_file, read_url

_SUFFIXES = {".gz": Encoding.GZIP, ".xz": Encoding.XZ, ".bz2": Encoding.BZ2, ".zst": Encoding.ZSTD}


class Checksum:
    """What a file's digest should be, of the file as it is or of what is packed in it.

    Args:
        text: `sha256:HEX` or another algorithm of `hashlib`, or the hex digits alone.

    Raises:
        ConfigurationError: it is no checksum.
    """

    def __init__(self, text: str) -> None:
        algorithm, _, digits = text.strip().rpartition(":")
        digits = digits.lower()
        sizes = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
        algorithm = algorithm.lower().replace("-", "") or sizes.get(len(digits), "")
        fixed = {name for name in hashlib.algorithms_available if not name.startswith("shake")}
        if algorithm not in fixed or len(digits) != 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size:
            raise ConfigurationError(f"'{text}' is no checksum. Write it as sha256:HEX, or as the hex digits alone.")
        if not re.fullmatch("[0-9a-f]+", digits):
            raise ConfigurationError(f"'{text}' is no checksum: its digits are not hexadecimal.")
        self.algorithm = algorithm
        self.digits = digits

    def start(self) -> Any:
        """A digest to compute."""
        return hashlib.new(self.algorithm, usedforsecurity=False)


class Source:
    """An image to upload. It can be read several times.

    Args:
        name: what messages call it.
        pieces: opens it and gives its bytes as they are stored; it ends soon when the event is set.
        size: bytes as they are stored, where that is known.
        checksum: what the digest should be.
        unpack: whether to unpack it, if its first bytes say that it is packed.
        encoding: how it is packed, where that is known.
        rereadable: whether it can be read again at once: then a wrong checksum is found before anything is given away.
    """

    def __init__(
        self,
        name: str,
        pieces: Callable[[Abandoned], Iterator[bytes]],
        size: int | None = None,
        *,
        checksum: str | None = None,
        unpack: bool = True,
        encoding: Encoding | None = None,
        rereadable: bool = False,
    ) -> None:
        self.name = name
        self.looked_at = 0
        """Bytes that were read to compare the checksum before any is given away; it grows while that goes on."""
        self.stored_size = size
        """Bytes as they are stored; None if that is not known before."""
        self.encoding = encoding
        """How it is packed, where that is known before it is read."""
        self._pieces = pieces
        self._checksum = Checksum(checksum) if checksum is not None else None
        self._unpack = unpack
        self._rereadable = rereadable

    @staticmethod
    def of_bytes(data: bytes, name: str = "bytes", *, checksum: str | None = None, unpack: bool = False) -> Source:
        """An image that is in memory; sent as it is unless told to be unpacked."""
        encoding = detect(data[:HEAD]) if unpack else None
        return Source(
            name, lambda _: read_bytes(data), len(data), checksum=checksum, unpack=unpack, encoding=encoding, rereadable=True
        )

    @property
    def size(self) -> int | None:
        """Bytes that will be sent; None if that is not known before."""
        return None if self.encoding else self.stored_size

    def blocks(self, abandoned: Abandoned | None = None) -> Iterator[bytes]:
        """Gives the image, unpacked, in blocks of about 1 MiB. The last block comes only after everything was checked.

        Args:
            abandoned: ends the reading from another thread.

        Raises:
            ConfigurationError: it cannot be read, is corrupt, or has another checksum.
        """
        block: bytes | None = None
        abandoned = Abandoned() if abandoned is None else abandoned
        self._check_before(abandoned)
        for following in regroup(self._checked(abandoned)):
            if block is not None:
                yield block
            block = following
        if block is not None:
            yield block

    def _check_before(self, abandoned: Abandoned) -> None:
        """Compares the checksum before the first byte leaves: a device that got half of a wrong image does not start again."""
        if self._checksum is None or not self._rereadable:
            return
        digest = self._checksum.start()
        for piece in self._pieces(abandoned):
            digest.update(piece)
            self.looked_at += len(piece)
        if digest.hexdigest() != self._checksum.digits and not abandoned.over:
            for piece in self._checked(abandoned):  # it may be that of the content; if not, this says so
                self.looked_at += len(piece)

    def _checked(self, abandoned: Abandoned) -> Iterator[bytes]:
        digests: dict[str, Any] = {}
        stored = self._digesting("the file", self._pieces(abandoned), digests)
        head = b""
        taken: list[bytes] = []
        while len(head) < HEAD and (piece := next(stored, None)) is not None:
            taken.append(piece)
            head += piece[:HEAD]
        stored = chain(taken, stored)
        encoding = detect(head) if self._unpack else None
        if encoding is None:
            self._check_name()
            yield from stored
        else:
            try:
                yield from self._digesting("its unpacked content", unpack(encoding, stored), digests)
            except CompressionError as error:
                raise ConfigurationError(f"Cannot unpack '{self.name}': {error}.") from None
        if self._checksum is not None:
            self._check(self._checksum, digests)

    def _check_name(self) -> None:
        """What is called an archive and is none was cut or damaged: sent as it is, it would look like a good image."""
        promised = _SUFFIXES.get(PurePosixPath(self.name).suffix.lower()) if self._unpack else None
        if promised is not None:
            raise ConfigurationError(
                f"Cannot unpack '{self.name}': its name promises {promised.value}, its content is none. Is it complete? "
                "To send it as it is, give unpack=False or the file another name."
            )

    def _digesting(self, what: str, pieces: Iterator[bytes], digests: dict[str, Any]) -> Iterator[bytes]:
        if self._checksum is None:
            return pieces
        digests[what] = digest = self._checksum.start()

        def through() -> Iterator[bytes]:
            for piece in pieces:
                digest.update(piece)
                yield piece

        return through()

    def _check(self, wanted: Checksum, digests: dict[str, Any]) -> None:
        found = {what: digest.hexdigest() for what, digest in digests.items()}
        if wanted.digits not in found.values():
            told = ", ".join(f"{what} has {digits}" for what, digits in found.items())
            raise ConfigurationError(
                f"The {wanted.algorithm} checksum of '{self.name}' is wrong: wanted {wanted.digits}, but {told}."
            )


def open_source(path_or_url: str | Path, *, checksum: str | None = None, unpack: bool = True) -> Source:
    """Finds an image; it is read later, once per upload.

    Args:
        path_or_url: a file, or an http or https address, which this machine fetches.
        checksum: `sha256:HEX` or the digits alone, of the file as it is or of what is packed in it.
        unpack: whether gzip, xz, bz2 and zstd files are unpacked; their content tells, not their name.

    Raises:
        ConfigurationError: there is no such file, it cannot be read, the address is malformed, or the checksum is none.
    """
    if isinstance(path_or_url, str) and (wrong := wrong_url(path_or_url)):
        raise ConfigurationError(wrong)
    if isinstance(path_or_url, str) and is_web(path_or_url):
        url = path_or_url
        return Source(shown_url(url), lambda abandoned: read_url(url, abandoned), checksum=checksum, unpack=unpack)
    path = Path(path_or_url)
    size, head = check_file(path)
    encoding = detect(head) if unpack else None
    return Source(
        str(path),
        lambda abandoned: read_file(path, abandoned),
        size,
        checksum=checksum,
        unpack=unpack,
        encoding=encoding,
        rereadable=size is not None,
    )


def presigned(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> dict[str, object]:
    """A handle with which the exporter itself fetches or stores a file (protocol §4.4); pass it where the driver takes one.

    Raises:
        ConfigurationError: the address is neither http nor https.
    """
    if not is_web(url):
        raise ConfigurationError(f"'{shown_url(url)}' is no http or https address, and exporters fetch nothing else.")
    return {"kind": "presigned_request", "url": url, "method": method, "headers": headers or {}}


def regroup(pieces: Iterable[bytes], size: int = BLOCK) -> Iterator[bytes]:
    """Puts small pieces together to blocks of about this size; large ones pass as they are."""
    waiting: list[bytes] = []
    length = 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= size // 2:
            yield waiting[0] if len(waiting) == 1 else b"".join(waiting)
            waiting, length = [], 0
    if length:
        yield b"".join(waiting)
