"""Tokens that nobody has signed, and an issuer on this machine that renews them."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from JumpstarterLibrary.lab.configuration import load_configuration
from JumpstarterLibrary.lab.tokens import Token


def made(**claims: object) -> str:
    """A token that nobody has signed."""
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims))
    return ".".join([*parts, "signature"])


def written(folder: Path, token: str, **keys: str) -> Path:
    document = {"metadata": {"namespace": "lab", "name": "ci"}, "endpoint": "lab:443", "token": token, **keys}
    path = folder / "ci.yaml"
    path.write_text(json.dumps(document))
    return path


def token_of(path: Path, **arguments: object) -> Token:
    return Token(load_configuration(path, {}), **arguments)


@dataclass
class Issuer:
    """An issuer on this machine."""

    address: str = ""
    answer: dict[str, object] = field(default_factory=dict)
    status: int = 200
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)
    """While it is not set, answers to refresh tokens wait."""


@contextlib.contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Describes itself, and gives tokens for refresh tokens."""
    found = Issuer()
    found.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/realm/.well-known/openid-configuration"
            self.send(200, {"token_endpoint": f"{found.address}/token"})

        def do_POST(self) -> None:
            found.asked.append(urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            found.answers.wait(30)
            self.send(found.status, found.answer)

        def send(self, status: int, document: object) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_address[1]}/realm"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.answers.set()
    server.shutdown()
    server.server_close()
    thread.join()
