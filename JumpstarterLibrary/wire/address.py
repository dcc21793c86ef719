"""Where a session can be reached: the forms of `JUMPSTARTER_HOST` (protocol §6.1)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ..errors import ConfigurationError

LONGEST_SOCKET_PATH = 107
"""Bytes in a Unix socket path that Linux takes."""

FORMS = "host:port, [IPv6]:port, unix:PATH or an absolute socket path"


@dataclass(frozen=True)
class Address:
    """A parsed address; `str()` gives the form that `JUMPSTARTER_HOST` takes."""

    path: str | None = None
    host: str = ""
    port: int = 0

    @property
    def is_unix(self) -> bool:
        """Whether this is a Unix socket."""
        return self.path is not None

    @property
    def is_local(self) -> bool:
        """Whether the traffic stays on this machine."""
        if self.is_unix or self.host == "localhost":
            return True
        import ipaddress  # late: it is not needed for a Unix socket, and slow to import

        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def grpc_target(self) -> str:
        """The target text that gRPC takes."""
        # gRPC reads the target as a URI, so a socket called `a%41` or `a#b` would become another one.
        return f"unix:{quote(self.path)}" if self.path is not None else str(self)

    def __str__(self) -> str:
        if self.path is not None:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Reads an address. A path is recognised first, so a socket called `/run/x:1234` is a socket.

    Raises:
        ConfigurationError: the text has none of the forms.
    """
    text = text.strip()
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        return _unix(re.sub("^//+", "/", path) if path.startswith("//") else path)
    if text.startswith("/"):
        return _unix(text)
    if match := re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([^\s:/\[\]]+)):(\d+)", text):
        host, port = match[1] or match[2], int(match[3])
        if 0 < port <= 65535:
            return Address(host=host, port=port)
        raise ConfigurationError(f"'{text}' is not an address: port {port} is outside 1 to 65535.")
    if "/" in text and ":" not in text:
        return _unix(text)
    raise ConfigurationError(f"'{text}' is not an address: expected {FORMS}.")


def _unix(path: str) -> Address:
    if not path:
        raise ConfigurationError("'unix:' is not an address: the path of the socket is missing.")
    full = str(Path(path).absolute())
    if "," in full:  # gRPC takes it for a list of sockets, however it is written
        raise ConfigurationError(f"The socket path '{full}' has a comma, with which gRPC cannot reach it. Use a symbolic link.")
    if len(os.fsencode(full)) > LONGEST_SOCKET_PATH:
        raise ConfigurationError(
            f"The socket path '{full}' has {len(os.fsencode(full))} bytes; Linux takes {LONGEST_SOCKET_PATH}. "
            "Use a shorter one, for example through a symbolic link."
        )
    return Address(path=full)
