"""What to tell people whose device cannot be reached: gRPC's own words are for those who know gRPC."""

from __future__ import annotations

import re

LONGEST_RAW = 200
"""Characters of gRPC's own text that are shown."""

_RUNNING = "Is the exporter running, and are host and port right?"
_LOCAL = "Does the socket exist, and does the exporter (or the jmp shell) that made it still run?"
_REASONS = (
    ("refused", "nobody listens there.", _RUNNING),
    ("no such file", "there is no such socket.", _RUNNING),
    ("resol|no address|name or service", "the name of the host is not known here.", _RUNNING),
    (
        "hostname verification|peer name",
        "its certificate is for another name.",
        "Use that one in the address, or say security=unverified_tls.",
    ),
    (
        "ssl|tls|handshak|wrong_version|certificate",
        "no protected connection came about.",
        "If the exporter speaks plaintext, say security=plaintext; if its certificate is unknown here, give ca=.",
    ),
    (
        "reset|clos|broken pipe|end of|http2|settings|preface|trying to connect",
        "something listens there, and ended the connection at once.",
        "If the exporter speaks TLS, say security=tls (or unverified_tls); else check that it is an exporter.",
    ),
    ("unreach|no route", "there is no way to this host.", "Is the network up, and the host right?"),
)


def no_connection(text: str, *, local: bool) -> str:
    """Says what happened, and what to check.

    Args:
        text: what gRPC said.
        local: whether it was a Unix socket.
    """
    for pattern, happened, advice in _REASONS:
        if re.search(pattern, text, re.IGNORECASE):
            return f"{happened} {_LOCAL if local else advice}"
    return f"no connection to an exporter came about. {_LOCAL if local else _RUNNING}"


def innermost(text: str) -> str:
    """gRPC's text without what it wraps around the reason, cut if it is long."""
    reason = " ".join(text.rpartition("last error: ")[2].split())
    return reason if len(reason) <= LONGEST_RAW else f"{reason[:LONGEST_RAW]}…"
