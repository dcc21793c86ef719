"""The client of one driver: generic for all, with typed subclasses for the families that are known."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, ClassVar

from ..errors import DriverAttributeError
from ..wire import names
from ..wire.deadline import Timeout, seconds
from .failures import Act
from .false_success import check_success
from .families import load, module_of
from .tree import Node, find

if TYPE_CHECKING:
    from .device import Device


class DriverClient:
    """Calls the methods of one driver. Children are attributes, or items: `dut.power`, `dut["power"]`."""

    family: ClassVar[str] = "driver"
    """What people call drivers of this kind."""
    tags: ClassVar[frozenset[str]] = frozenset()
    """The type tags (`jumpstarter.dev/client`) that this class serves."""
    _by_tag: ClassVar[dict[str, type[DriverClient]]] = {}

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        DriverClient._by_tag.update(dict.fromkeys(cls.tags, cls))

    def __init__(self, device: Device, node: Node) -> None:
        self.device = device
        self.node = node

    @staticmethod
    def class_for(node: Node) -> type[DriverClient]:
        """The typed class for a node's tag, else the generic one."""
        found = DriverClient._by_tag.get(node.type_tag)
        if found is None and module_of(node.type_tag):
            load(node.type_tag)
            found = DriverClient._by_tag[node.type_tag]
        return found or DriverClient

    @classmethod
    def serves(cls, node: Node) -> bool:
        """Whether the typed class for a node's tag is this one, or is made of it. Loads none that cannot be."""
        module = module_of(node.type_tag)
        if cls is not DriverClient and module not in ("", cls.__module__) and node.type_tag not in DriverClient._by_tag:
            return False  # a family stands in one module, as a test sees to
        return issubclass(DriverClient.class_for(node), cls)

    @property
    def path(self) -> str:
        """Names from the root joined by dots; empty for the root."""
        return self.node.path

    @property
    def name(self) -> str:
        """The name under the parent; empty for the root."""
        return self.node.name

    @property
    def description(self) -> str:
        """What the exporter says about this driver."""
        return self.node.description

    @property
    def labels(self) -> dict[str, str]:
        """The labels in the report."""
        return dict(self.node.labels)

    @property
    def children(self) -> dict[str, DriverClient]:
        """The drivers below this one, by name."""
        return {name: self.device.client_for(node) for name, node in self.node.children.items()}

    def call(self, method: str, *arguments: object, timeout: Timeout | None = None) -> object:
        """Calls an exported method (protocol §3).

        Args:
            method: its name on the driver.
            arguments: positional; numbers, text, booleans, None, lists and dicts, and what has a plain form.
            timeout: `timedelta` or seconds; the device's unless given.

        Returns:
            What the driver returned; integral numbers as `int`, as the wire has only doubles.

        Raises:
            JumpstarterError: see `JumpstarterLibrary.errors`.
        """
        device = self.device
        act = Act(device.name, self.node.path, method)
        limit = device.timeout_seconds if timeout is None else seconds(timeout)
        result = device.connection.call(act, self.node.uuid, arguments, limit)
        check_success(self.node.type_tag, act, result, device.connection.redact)
        return result

    def stream_call(
        self, method: str, *arguments: object, timeout: Timeout | None = None, settle: float | None = None
    ) -> Generator[object, None, None]:
        """Calls an exported generator and gives its values as they come; closing the iterator cancels the call.

        Args:
            method: its name on the driver.
            arguments: as for `call`.
            timeout: for the whole stream; the device's unless given.
            settle: ends the stream this many seconds after its first value; for streams without end of their own.

        Raises:
            JumpstarterError: see `JumpstarterLibrary.errors`.
        """
        device = self.device
        act = Act(device.name, self.node.path, method)
        limit = device.timeout_seconds if timeout is None else seconds(timeout)
        return device.connection.stream(act, self.node.uuid, arguments, limit, settle)

    def __getitem__(self, path: str) -> DriverClient:
        """Returns a driver below this one by path.

        Raises:
            DriverNotFoundError: there is none; the message lists near matches.
        """
        full = f"{self.path}.{path}" if self.path else path
        return self.device.client_for(find(self.device.name, self.device.tree, full))

    def __getattr__(self, name: str) -> DriverClient:
        node = self.__dict__.get("node")
        if node is not None and name in node.children:
            return self.device.client_for(node.children[name])
        if node is None or name.startswith("__"):  # asked by copy, pickle and the like
            raise AttributeError(name)
        act = Act(self.device.name, node.path, name)
        near = names.near(name, [*node.children, *(word for word in dir(type(self)) if word[0] != "_")])
        known = f"Did you mean {' or '.join(near)}?" if near else f"Its children: {', '.join(node.children) or 'none'}."
        told = f"{act.place} has no child or method '{name}'. {known} Methods of the driver itself: .call(\"name\")."
        error = DriverAttributeError(told)
        error.name, error.obj = name, None  # so that Python adds no "Did you mean" of its own behind ours
        raise error

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.node.children]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.device.name}:{self.path or '(root)'}>"
