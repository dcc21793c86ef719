"""Robot Framework keywords and pytest fixtures for real devices behind Jumpstarter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .library import JumpstarterLibrary

__all__ = ["JumpstarterLibrary", "__version__"]


def __getattr__(name: str) -> object:
    # Late, because pytest loads this package for its plugin in every run, with or without Robot and gRPC.
    if name == "JumpstarterLibrary":
        from .library import JumpstarterLibrary

        return JumpstarterLibrary
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
