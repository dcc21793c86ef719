"""What all tests of the session server share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from exporter_peer import Peer

from JumpstarterLibrary.exporter import Driver, Session


@pytest.fixture(autouse=True)
def no_server_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does, neither gRPC nor asyncio may have had to log an error of ours (D14)."""
    yield
    records = caplog.get_records("call") + caplog.get_records("teardown")
    errors = [r for r in records if r.levelno >= logging.ERROR and r.name.split(".")[0] in ("grpc", "asyncio")]
    # What is no protobuf message at all never reaches our code; gRPC writes that down and answers by itself.
    bad = [r for r in errors if "[DecodeError]" not in r.getMessage()]
    assert not bad, "\n".join(f"{r.name}: {r.getMessage()} {r.exc_text or r.exc_info or ''}" for r in bad)


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Session, Peer]]]:
    """Serves a driver tree on a Unix socket and connects a peer to it."""
    with ExitStack() as stack:

        def start(root: Driver, **options: object) -> tuple[Session, Peer]:
            session = stack.enter_context(Session(root_device=root, **options))
            return session, stack.enter_context(Peer(stack.enter_context(session.serve_unix())))

        yield start


@pytest.fixture
def peer(serve: Callable[..., tuple[Session, Peer]]) -> Callable[..., Peer]:
    """Serves a driver tree; gives only the peer."""
    return lambda root, **options: serve(root, **options)[1]
