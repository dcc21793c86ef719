"""What a driver is: a class whose marked methods may be called from the other side."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar
from uuid import UUID, uuid4

from ..errors import ConfigurationError
from ..wire.protocol import CLIENT_LABEL, NAME_LABEL, CallKind
from .resources import ByteStream, Resources

F = TypeVar("F", bound=Callable[..., object])

_MARKER = "__jumpstarter_export__"


def export(method: F) -> F:
    """Lets clients call a method. Functions and `async` functions become calls, generators become streaming calls.

    Raises:
        TypeError: the thing is not a function, or its name is private.
    """
    if not inspect.isfunction(method):
        raise TypeError(f"@export takes a function, not {type(method).__name__}; put it below @classmethod and the like")
    streaming = inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method)
    return _mark(method, CallKind.STREAMING if streaming else CallKind.UNARY)


def exportstream(method: F) -> F:
    """Lets clients open a byte stream: the method returns an async context manager that gives the stream.

    ```python
    @exportstream
    @asynccontextmanager
    async def connect(self):
        async with await anyio.connect_tcp("10.0.0.7", 23) as stream:
            yield stream
    ```

    Raises:
        TypeError: the thing is not a function, or its name is private.
    """
    if not callable(method):
        raise TypeError(f"@exportstream takes a function, not {type(method).__name__}")
    return _mark(method, CallKind.BYTE_STREAM)


def _mark(method: F, kind: CallKind) -> F:
    if method.__name__.startswith("_"):
        raise TypeError(f"{method.__name__} is private and cannot be exported")
    setattr(method, _MARKER, kind)
    return method


@dataclass(kw_only=True, eq=False, repr=False)
class Driver:
    """Base class of all drivers.

    Subclass it plainly (`def __init__(self, *, port, **kwargs): super().__init__(**kwargs)`) or as a dataclass
    (`@dataclass(kw_only=True)`, with `__post_init__` calling `super().__post_init__()`).

    Args:
        children: the drivers below this one, by name.
        description: a sentence for people; travels in the report.
        methods_description: help texts by method name, for command lines; they travel in the report.
        labels: more labels for the report. They never hide `jumpstarter.dev/client` and `jumpstarter.dev/name`.
        uuid: this instance's id; random unless given.
        log_level: the lowest level of `self.logger` that reaches the log stream.
    """

    children: dict[str, Driver] = field(default_factory=dict)
    description: str | None = None
    methods_description: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    uuid: UUID = field(default_factory=uuid4)
    log_level: str | int = logging.INFO
    logger: logging.Logger = field(init=False)
    resources: Resources = field(init=False)

    exports: ClassVar[dict[str, CallKind]] = {}
    """The methods that clients may call; filled from the marks when the class is made."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        members = ((name, inspect.getattr_static(cls, name)) for name in dir(cls))
        cls.exports = {
            name: kind
            for name, member in members
            if isinstance(kind := getattr(getattr(member, "__func__", member), _MARKER, None), CallKind)
        }

    def __post_init__(self) -> None:
        # A logger of its own that is not in Python's registry: one per instance, gone with the instance, and its
        # lines can be told apart.
        self.logger = logging.Logger(f"driver.{type(self).__name__}")  # noqa: LOG001 - see above
        self.logger.parent = logging.getLogger()
        self.logger.setLevel(self.log_level)
        self.resources = Resources()

    @classmethod
    def client(cls) -> str:
        """The client class that the report names. It is a type tag; upstream's clients import it."""
        return "jumpstarter.client.DriverClient"

    def extra_labels(self) -> dict[str, str]:
        """Labels that are only known once the driver exists. They win over `labels`."""
        return {}

    def reset(self) -> Awaitable[None] | None:
        """Brings the hardware into its resting state. Runs when a session starts and on `Reset`; may be `async`."""

    def close(self) -> Awaitable[None] | None:
        """Lets go of the hardware. Runs when the session ends, children first; may be `async`."""

    def resource(self, handle: object) -> AbstractAsyncContextManager[ByteStream]:
        """Opens the stream that a client handed to a call as a resource handle (protocol §4.4). It can be used once."""
        return self.resources.use(handle)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.uuid}>"


@dataclass(frozen=True)
class Row:
    """One row of the report: a driver at its place in the tree."""

    path: str
    name: str | None
    parent: Driver | None
    driver: Driver

    def labels(self) -> dict[str, str]:
        """The row's labels; the fixed ones win (protocol §2.1)."""
        fixed = {CLIENT_LABEL: self.driver.client()} | ({NAME_LABEL: self.name} if self.name is not None else {})
        return {**self.driver.labels, **self.driver.extra_labels(), **fixed}


def walk(root: Driver, resolve: Callable[[Driver], Driver] = lambda driver: driver) -> Iterator[Row]:
    """Walks the tree depth first, parents before children, siblings in order (protocol §2.1).

    Args:
        root: where to begin.
        resolve: replaces a driver by the one to report in its place; proxies are resolved this way (§2.2).

    Raises:
        ConfigurationError: while iterating, when a driver contains itself.
    """

    def below(driver: Driver, name: str | None, above: tuple[Driver, ...], path: str) -> Iterator[Row]:
        driver = resolve(driver)
        if any(driver is each for each in above):
            raise ConfigurationError(f"'{path}' contains itself: a driver above it is the same one.")
        yield Row(path, name, above[-1] if above else None, driver)
        for child_name, child in driver.children.items():
            yield from below(child, child_name, (*above, driver), f"{path}.{child_name}" if path else child_name)

    yield from below(root, None, (), "")
