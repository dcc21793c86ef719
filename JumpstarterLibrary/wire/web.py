"""Requests to web servers, in a thread, that another thread can end: for images that are fetched, and presigned requests."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from .abandoned import Abandoned

TIMEOUT = 30.0
"""Seconds that a web server may be silent."""
SHORTEST_PIECE = 5
SHORTEST_TOKEN = 8
SCHEMES = ("http", "https")
_CARRIED = ("accept", "accept-encoding", "content-length", "content-type", "range", "user-agent")
"""Headers that follow a redirection to another server; any other may hold a secret."""
_WEB = re.compile(r"\s*(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]*)", re.IGNORECASE)
_WHOLE = 200
"""The status of a whole file; any other good one is a part of it, or nothing at all."""
_SAME_METHOD = (307, 308)
_REDIRECTS = (301, 302, 303, 307, 308)


class WebError(Exception):
    """A request failed. The text names the address without what may be secret in it."""

    refused = False
    """Whether the server said no; otherwise it could not be reached, or broke off."""


class WebRefusedError(WebError):
    """The server said no."""

    refused = True


def is_web(url: str) -> bool:
    """Whether this is an http or https address."""
    try:
        return urlsplit(url).scheme.lower() in SCHEMES
    except ValueError:
        return False


def wrong_url(url: str) -> str:
    """Says why a web address cannot be fetched; empty if it can, or if it is none. Shows no more of it than scheme and host."""
    if not (match := _WEB.match(url)):
        return ""
    try:
        parts = urlsplit(url)
        wrong = "" if parts.hostname and (parts.port is None or parts.port) else "it has no host, or no usable port"
        if "@" in parts.netloc:
            wrong = "it has a user name or a password in it, which is not supported"
    except ValueError:
        wrong = "its host or its port is malformed"
    if not re.fullmatch(r"[!-~]+", url):
        wrong = "it has blanks or other characters in it that have to be percent-encoded"
    host = match["host"] if "@" not in url else ""
    return f"Cannot fetch from {match['scheme'].lower()}://{host}...: this is no usable address: {wrong}." if wrong else ""


def shown_url(url: str) -> str:
    """A web address for people: without password and query, which often hold secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def secret_pieces(url: str) -> list[str]:
    """The parts of a secret web address that may turn up alone: user name and password, path, query. Short ones are left out."""
    try:
        parts = urlsplit(url)
        shown = shown_url(url)
    except ValueError:
        return []
    if not is_web(url):
        return []
    login = parts.netloc.rpartition("@")[0]
    pieces = [
        shown,
        login,
        login.partition(":")[2],
        parts.path,
        parts.query,
        *(part.partition("=")[2] for part in parts.query.split("&")),
    ]
    return [piece for piece in dict.fromkeys(pieces) if len(piece) >= SHORTEST_PIECE]


def request_secrets(url: str, headers: Mapping[str, str]) -> list[str]:
    """What may be secret in a request whose address as such is none: login, query, and the values of headers that are not
    everyone's. Short ones are left out, except passwords: masked everywhere, they would spoil other texts."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    password = login.partition(":")[2]
    query = [parts.query, *(part.partition("=")[2] for part in parts.query.split("&"))]
    values = [value for name, value in headers.items() if name.lower() not in _CARRIED]
    words = [value.rpartition(" ")[2] for value in values]  # without 'Bearer'
    likely = [text for text in (*query, *values, *words) if len(text) >= SHORTEST_TOKEN]
    pieces = [login, password, *likely]
    return [piece for piece in dict.fromkeys((*pieces, *map(unquote, pieces))) if piece]


@contextlib.contextmanager
def request(
    url: str,
    abandoned: Abandoned,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: IO[bytes] | None = None,
    size: int = 0,
) -> Iterator[Response]:
    """Sends a request; gives the response when its status is a good one.

    Args:
        url: an http or https address.
        abandoned: ends the request from another thread.
        method: the HTTP method.
        headers: further headers.
        body: what to send.
        size: bytes of the body.

    Raises:
        WebError: see there; also from reading the response.
    """
    name = shown_url(url)
    wanted = {"Accept-Encoding": "identity", **(headers or {})}
    if body is not None:
        wanted |= {"Content-Length": str(size), "Content-Type": wanted.get("Content-Type", "application/octet-stream")}
    try:
        made = urllib.request.Request(url, data=body, headers=wanted, method=method)  # noqa: S310 - the opener knows no other schemes
        with _opener(abandoned).open(made, timeout=TIMEOUT) as answer:
            if method == "GET" and answer.status != _WHOLE and not any(key.lower() == "range" for key in wanted):
                raise WebRefusedError(f"'{name}': {_said(answer.status)}, and only {_WHOLE} is a whole file")
            yield Response(name, answer)
    except urllib.error.HTTPError as error:
        with error:
            raise WebRefusedError(f"'{name}': {_said(error.code)}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = "abandoned" if abandoned.over else _reason(error)
        raise WebError(f"'{name}': {reason}") from None


def _reason(error: BaseException) -> str:
    # Not the texts of urllib and http.client: they may have the whole address in them.
    inner = getattr(error, "reason", None)
    if isinstance(error, urllib.error.URLError) and isinstance(inner, BaseException):
        return _reason(inner)
    told: object = None
    if isinstance(error, _ElsewhereError):
        told = inner
    elif isinstance(error, TimeoutError):
        told = "timed out"
    elif isinstance(error, ssl.SSLError):
        told = getattr(error, "verify_message", None) or error.reason
    elif isinstance(error, http.client.HTTPException):
        told = f"the server's answer is malformed, or broke off ({type(error).__name__})"
    elif isinstance(error, OSError):
        told = error.strerror
    return str(told or f"the request failed ({type(error).__name__})")


def _said(code: int) -> str:
    # Not the server's own words, nor urllib's: they may have the whole address in them.
    phrase = http.client.responses.get(code, "")
    text = f"the server answers {code} {phrase}".rstrip()
    return f"{text}, to no http or https address or too often" if code in _REDIRECTS else text


class Response:
    """The body of a response, to be read piece by piece."""

    def __init__(self, name: str, answer: Any) -> None:
        self._name = name
        self._answer = answer
        length = answer.headers.get("Content-Length")
        self.size = int(length) if length and length.isdecimal() else None
        """Bytes, where the server says how many."""
        self.count = 0
        """Bytes that were read."""

    def read(self, size: int) -> bytes:
        """Returns the next bytes; none at the end.

        Raises:
            WebError: it broke off.
        """
        try:
            piece: bytes = self._answer.read(size)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise WebError(f"'{self._name}': {_reason(error)}") from None
        self.count += len(piece)
        if not piece and self.size is not None and self.count < self.size:
            raise WebError(f"'{self._name}': the server broke off after {self.count} of {self.size} bytes")
        return piece


class _ElsewhereError(urllib.error.URLError):
    """A redirection that is not followed; its reason is in our own words."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections, at most ten; secrets do not follow to another server."""

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not is_web(newurl):
            fp.close()
            raise _ElsewhereError(f"redirected to '{shown_url(newurl)[:100]}', which is no http or https address")
        method, data = req.get_method(), req.data
        if method != "GET":
            if code not in _SAME_METHOD:
                return None
            data.seek(0)  # type: ignore[union-attr]  # it is the file that `request` was given
        given = {**req.headers, **req.unredirected_hdrs}
        if _origin(req.full_url) != _origin(newurl):
            given = {name: value for name, value in given.items() if name.lower() in _CARRIED}
        given = {name: value for name, value in given.items() if name.lower() != "host"}
        return urllib.request.Request(newurl, data=data, headers=given, method=method)  # noqa: S310 - looked at above


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower())
    return parts.scheme.lower(), parts.hostname, port


def _opener(abandoned: Abandoned) -> urllib.request.OpenerDirector:
    """An opener for http and https alone, which ends when it is abandoned, wherever it waits."""

    class Plain(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            _watch(self, abandoned)

    class Secure(http.client.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            _watch(self, abandoned)

    class Web(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, req)

        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, req)

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
        Web(),
    ):
        opener.add_handler(handler)
    return opener


def _watch(connection: Any, abandoned: Abandoned) -> None:
    # The socket itself, as the connection forgets it when the response takes it over.
    opened = connection.sock
    abandoned.call(lambda: opened.shutdown(socket.SHUT_RDWR))
