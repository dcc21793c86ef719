"""What a picture is, by its content: its type and its size."""

from __future__ import annotations

_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
)
SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/webp": ".webp",
}
"""File name endings by type."""
_LITTLE = 16
"""Bytes that may follow the end mark; any number of zeros may: cameras pad their pictures."""
_SMALLEST_BMP = 30
"""Bytes of the two headers without the palette, in the oldest form, and a dot."""


def mime_of(data: bytes) -> str:
    """Returns the type of a picture, such as `image/jpeg`; empty if it is none that is known."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:2] == b"BM" and not _is_bmp(data):
        return ""  # two letters with which a text can begin, too
    return next((mime for signature, mime in _SIGNATURES if data.startswith(signature)), "")


def is_cut(data: bytes, mime: str) -> bool:
    """Whether the end of a picture is missing, where its type lets that be seen."""
    if mime == "image/jpeg":
        return not _ends_with(data, b"\xff\xd9", 100)  # a thumbnail in front of the picture has an end mark, too
    if mime == "image/png":
        return not _ends_with(data, b"IEND\xaeB`\x82", 57)
    if mime == "image/gif":
        return not _ends_with(data, b";", 14)
    if mime == "image/webp":
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    return mime == "image/bmp" and len(data) < int.from_bytes(data[2:6], "little")


def _ends_with(data: bytes, mark: bytes, least: int) -> bool:
    whole = data.rstrip(b"\0")
    return len(data) >= least and mark in whole[-len(mark) - _LITTLE :]


def _is_bmp(data: bytes) -> bool:
    """Whether the header fits the file: its length, four zeros, and where the dots begin. A part of such a file is one, too."""
    size, dots = int.from_bytes(data[2:6], "little"), int.from_bytes(data[10:14], "little")
    return size >= _SMALLEST_BMP and data[6:10] == bytes(4) and 26 <= dots < size and len(data) <= size + _LITTLE


def size_of(data: bytes, mime: str) -> tuple[int, int]:
    """Returns width and height in dots; two zeros where they are not found."""
    if mime == "image/png" and len(data) >= 24:
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    return _jpeg_size(data) if mime == "image/jpeg" else (0, 0)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walks over the segments of a JPEG up to the one that describes the frame."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return 0, 0
