"""What all keyword classes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from robot.api.types import Secret

from ..client.device import Device
from ..client.driver import DriverClient
from ..report.failing import Failing
from ..report.measuring import Measurements
from ..sessions import DeviceSession, Sessions
from ..wire.secrets import Hidden
from .tags import Tag

D = TypeVar("D", bound=DriverClient)

if TYPE_CHECKING:
    F = TypeVar("F", bound=Callable[..., Any])

    def keyword(name: str | None = None, *, tags: list[Tag]) -> Callable[[F], F]:
        """Marks a method as a keyword; typed, as Robot's own decorator hides the signature from type checkers."""
else:
    from robot.api.deco import keyword

__all__ = ["KeywordGroup", "Library", "Scope", "Tag", "keyword"]


class Scope(Enum):
    """How long a setting holds."""

    Global = "global"
    Suite = "suite"
    Test = "test"


class Settings(Protocol):
    """What keyword classes need of the scoped settings."""

    @property
    def timeout(self) -> timedelta:
        """How long a keyword may take unless it says otherwise."""

    def set_timeout(self, timeout: timedelta, scope: Scope) -> timedelta:
        """Sets the timeout for a scope and returns the one that held before."""


class Library(Protocol):
    """What keyword classes need of the library."""

    sessions: Sessions
    default_driver: str
    measurements: Measurements
    failing: Failing

    @property
    def settings(self) -> Settings:
        """The settings that hold now."""


class KeywordGroup:
    """Base of the keyword classes and of plugins: access to the session, its device and its drivers."""

    def __init__(self, library: Library) -> None:
        self.library = library

    @property
    def session(self) -> DeviceSession:
        """The current device session."""
        return self.library.sessions.current

    @property
    def device(self) -> Device:
        """The current device, with the timeout that holds now."""
        device = self.session.device
        device.timeout = self.library.settings.timeout
        return device

    def driver(self, kind: type[D], path: str | None) -> D:
        """The driver of a family: the named one, else the only one at or below the default driver."""
        return self.device.driver_of(kind, path)

    def any_driver(self, path: str | None) -> DriverClient:
        """The named driver of whatever kind, else the default one, else the root."""
        device = self.device
        return device.driver(device.default_driver if path is None else path)

    def reveal(self, secret: str | Secret | None) -> str | None:
        """Returns the text of a secret argument, and sees to it that it is masked wherever it turns up from now on."""
        text = secret.value if isinstance(secret, Secret) else secret
        self.library.sessions.redact.add(text)
        return text

    def hide(self, value: object) -> object:
        """Wraps the secrets in an argument, so that only the driver sees them."""
        if isinstance(value, Secret):
            self.library.sessions.redact.add(value.value)
            return Hidden(value.value)
        if isinstance(value, Mapping):
            return {key: self.hide(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hide(item) for item in value]
        return value
