"""The camera that looks at the simulated board's screen."""

from __future__ import annotations

from typing import Any

from .board_state import BoardState
from .picture import Picture
from .video import HEIGHT, WIDTH, MockVideo

_BLACK, _GREY, _WHITE, _BLUE, _GREEN, _DARK = range(6)
_COLOURS = [(12, 14, 18), (110, 118, 128), (240, 244, 248), (38, 76, 140), (60, 200, 90), (36, 40, 48)]


class BoardVideo(MockVideo):
    """Shows whether the board is on, what runs, and the version of its system. The same state gives the same picture.

    Args:
        state: the board.
        **driver: what every driver takes.
    """

    def __init__(self, *, state: BoardState, **driver: Any) -> None:
        super().__init__(**driver)
        self._state = state

    @property
    def online(self) -> bool:
        """Whether the board's screen has a signal."""
        return self._state.is_on

    def look(self) -> Picture:
        """Draws the board's screen, and below it the board's lamp."""
        state, on = self._state, self._state.is_on
        picture = Picture(WIDTH, HEIGHT, _COLOURS)
        picture.box(10, 10, WIDTH - 20, 170, _BLUE if on else _DARK)
        if on:
            picture.text(24, 26, "SIMBOARD", _WHITE, 5)
            picture.text(24, 90, f"VERSION {state.version if state.system_up else '-'}", _WHITE, 3)
            picture.text(24, 130, f"RUNNING {state.running}", _WHITE, 3)
        else:
            picture.text(88, 84, "NO SIGNAL", _GREY, 3)
        picture.disc(34, 210, 14, _GREEN if on else _GREY)
        picture.text(60, 200, f"POWER {'ON' if on else 'OFF'}", _WHITE, 3)
        return picture
