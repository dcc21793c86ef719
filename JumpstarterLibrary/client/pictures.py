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
_TAIL = 64 * 1024
"""Bytes at the end of a JPEG in which its end mark is looked for: cameras pad their pictures."""


def mime_of(data: bytes) -> str:
    """Returns the type of a picture, such as `image/jpeg`; empty if it is none that is known."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for signature, mime in _SIGNATURES if data.startswith(signature)), "")


def is_cut(data: bytes, mime: str) -> bool:
    """Whether the end of a picture is missing, where its type lets that be seen."""
    if mime == "image/jpeg":
        return b"\xff\xd9" not in data[-_TAIL:]
    if mime == "image/png":
        return b"IEND" not in data[-16:]
    return False


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
