"""The simulated board's network: an echo beside the board, and its web page."""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from ..exporter.composite import Composite
from ..exporter.driver import exportstream
from ..exporter.resources import ByteStream
from .board_state import BoardState
from .network import EchoNetwork, Network, served, wait_until
from .web import Answer, serve_http

PATIENCE = 5.0
"""Seconds that a connection waits for a board that is booting, as TCP goes on asking; then there is no answer."""


class BoardHttp(Network):
    """The board's web server. It tells version and power state, as a page at `/` and as JSON at `/status`.

    Args:
        state: the board.
        patience: seconds that a connection waits for a board that is booting.
        **driver: what every driver takes.
    """

    def __init__(self, *, state: BoardState, patience: float = PATIENCE, **driver: Any) -> None:
        super().__init__(**driver)
        self._state = state
        self._patience = patience

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        """Connects to port 80 of the board; the connection breaks when the board loses power.

        Raises:
            ConnectionError: the board is off.
            TimeoutError: no system that could answer came up.
        """
        async with reachable(self._state, self._patience), served(lambda stream: serve_http(stream, self._respond)) as stream:
            yield stream

    async def _respond(self, path: str) -> Answer:
        state = self._state
        facts = {"name": "SimBoard", "version": state.version, "power": "on", "running": state.running}
        if path == "/status":
            return Answer.json(facts)
        if path == "/":
            rows = "".join(f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>\n" for name, value in facts.items())
            title = f"SimBoard {html.escape(state.version)}"
            page = (
                f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>\n<h1>{title}</h1>\n<table>\n{rows}</table>\n"
            )
            return Answer(f"{page}</body></html>\n".encode(), "text/html; charset=utf-8")
        return Answer.error(404, f"{path} does not exist; there are / and /status")


class BoardNetwork(Composite):
    """The board's network.

    Args:
        state: the board.
        **driver: what every driver takes; `children` join those of the network.
    """

    def __init__(self, *, state: BoardState, **driver: Any) -> None:
        super().__init__(**driver)
        self.children = {
            "echo": EchoNetwork(description="Gives back what is sent, whether the board is on or not"),
            "http": BoardHttp(state=state, description="The board's web server"),
        } | self.children


@asynccontextmanager
async def reachable(state: BoardState, patience: float) -> AsyncIterator[None]:
    """Waits until the board answers, and breaks the block when it loses power.

    Raises:
        ConnectionError: the board is off, or loses power.
        TimeoutError: no system came up in time.
    """
    if not state.is_on:
        raise ConnectionRefusedError("no link: the board is off")
    if not await wait_until(lambda: state.system_up or not state.is_on, patience):
        raise TimeoutError(f"no answer: what runs on the board is '{state.running}', and it has no network")
    loop, dark = asyncio.get_running_loop(), asyncio.Event()

    def changed() -> None:
        loop.call_soon_threadsafe(dark.set)

    async def watch() -> None:
        await dark.wait()
        raise ConnectionResetError("the board lost power")

    state.follow(changed)
    try:
        if not state.is_on:
            raise ConnectionResetError("the board lost power")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            yield
            tasks.cancel_scope.cancel()
    finally:
        state.unfollow(changed)
