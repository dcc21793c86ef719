"""What `robot --dryrun` can tell of a suite when it knows the device from a description: drivers, families and methods.

A dry run calls no keyword, but it calls listeners, and a keyword that a listener marks as failed fails its test there, too. Which
driver a keyword takes is read from its source: nearly all begin with `self.driver(PowerClient, driver)`.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from robot.api.interfaces import ListenerV3
from robot.running.context import EXECUTION_CONTEXTS

from ..client.device import Device
from ..client.driver import DriverClient
from ..client.serial import SerialClient
from ..errors import DriverMethodNotFoundError, JumpstarterError
from ..exporter.annotations import hints_of
from ..wire import names
from .description import DescribedDevice, load

TOLERANT = ("Run Keyword And Expect Error", "Run Keyword And Ignore Error", "Run Keyword And Return Status")
"""Keywords that may be given what fails on purpose."""
SET_DEFAULT = "Set Default Driver"
OPENING = ("Open Jumpstarter Session", "Open Jumpstarter Sessions", "Switch Jumpstarter Session")
METHOD = "method"
"""The argument of generic keywords that names an exported method."""


def dry_run_check(library: Any, files: str | list[str], default_driver: str) -> ListenerV3:
    """Makes the listener that checks dry runs.

    Args:
        library: the library.
        files: the descriptions' paths; several as a list or separated by commas.
        default_driver: where drivers are looked for when none is named.

    Raises:
        ConfigurationError: a description cannot be read.
    """
    paths = files.split(",") if isinstance(files, str) else files
    devices = [load(Path(path.strip())) for path in paths]
    for device in devices:
        device.default_driver = default_driver
    return DryRunCheck(library, devices)


class DryRunCheck(ListenerV3):  # type: ignore[misc]  # Robot has types in parts only
    """Fails keywords that cannot work on any of the described devices; only in a dry run."""

    ROBOT_LISTENER_API_VERSION = 3

    def __init__(self, library: Any, devices: Sequence[DescribedDevice]) -> None:
        self._library, self._devices = library, devices
        self._tolerant = 0  # how many of those that run what may fail are around
        self._problems: list[str] = []  # of the test

    def start_test(self, data: Any, result: Any) -> None:
        """A test begins."""
        self._problems.clear()

    def end_test(self, data: Any, result: Any) -> None:
        """Fails a test in which Robot has lost a failure, as it does in the branch of an EXCEPT."""
        if self._problems and result.status != "FAIL":
            result.status, result.message = "FAIL", "\n\n".join(self._problems)

    def start_keyword(self, data: Any, result: Any) -> None:
        """Remembers what may fail on purpose."""
        self._tolerant += result.name in TOLERANT

    def end_keyword(self, data: Any, result: Any) -> None:
        """Forgets it."""
        self._tolerant -= result.name in TOLERANT

    def start_try_branch(self, data: Any, result: Any) -> None:
        """What fails here may be caught."""
        self._tolerant += result.type == result.TRY

    def end_try_branch(self, data: Any, result: Any) -> None:
        """From here on, not any more."""
        self._tolerant -= result.type == result.TRY

    def end_library_keyword(self, data: Any, implementation: Any, result: Any) -> None:
        """Checks a keyword of ours."""
        self.end_keyword(data, result)
        context = EXECUTION_CONTEXTS.current
        if context is None or not context.dry_run or self._tolerant or result.status == "FAIL":
            return
        if implementation.owner.instance is not self._library:
            return
        try:
            values = given(implementation, data, context.variables)
        except Exception:  # noqa: BLE001 - of arguments that do not fit Robot itself tells
            return
        if problem := self.problem(result.name, values):
            result.status, result.message = "FAIL", problem
            self._problems.append(problem)
        elif result.name == SET_DEFAULT:
            self._set_default(values.get("path"))
        elif result.name in OPENING:
            self._set_default(self._library.default_driver)

    def _set_default(self, path: object) -> None:
        """Follows the default driver, which a new session does not have; on devices that do not have it nobody knows it."""
        for device in self._devices:
            there = isinstance(path, str) and any(node.path == path for node in device.tree.walk())
            device.default_driver = cast(str, path) if there else None

    def problem(self, name: str, values: dict[str, object]) -> str:
        """Says why a keyword cannot work on any of the devices; empty if it may.

        Args:
            name: the keyword's.
            values: the arguments that are known.
        """
        method = self._library.keywords.get(name) or self._library.keywords.get(name.replace(" ", "_").lower())
        if method is None:
            return ""
        found = ""
        for device in self._devices:
            try:
                check(device, method, values)
            except JumpstarterError as error:
                found = found or f"{error.failure_class.value}: {error}"
            else:
                return ""
        return found


@dataclass(frozen=True)
class Taken:
    """How a keyword takes a driver."""

    choose: Callable[[Device, str | None], DriverClient]
    """Finds it on a device, or fails as the keyword would."""
    argument: str
    """The argument that names it."""
    generic: bool = False
    """Whether it may be of any family, and the argument `method` names one of its methods."""
    maybe: bool = False
    """Whether the keyword may do without it if it is not named."""


def check(device: DescribedDevice, method: Callable[..., Any], values: dict[str, object]) -> None:
    """Fails as the keyword would on the device.

    Raises:
        JumpstarterError: a driver or a method is not there, or it is of another family.
    """
    for taken in drivers_taken(method):
        path = values.get(taken.argument, ...)
        # What is left out depends on what only a run knows; `:` is in the name of another session's console.
        if not (path is None or isinstance(path, str)) or (path and ":" in path):
            continue
        if path is None and (taken.maybe or device.default_driver is None):
            continue
        client = taken.choose(device, path)
        if taken.generic:
            _check_method(device, client, values.get(METHOD))


def _check_method(device: DescribedDevice, client: DriverClient, method: object) -> None:
    known = device.methods.get(client.path)
    if known is None or not isinstance(method, str) or method in known:
        return
    place = f"Driver '{client.path}'" if client.path else "The root driver"
    near = names.near(method, known)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"It exports {', '.join(known) or 'nothing'}."
    raise DriverMethodNotFoundError(f"{place} of device '{device.name}' has no method '{method}'. {hint}")


def given(implementation: Any, data: Any, variables: Any) -> dict[str, object]:
    """Returns the values of a keyword's arguments by name, with their defaults; those that only a run knows are left out."""
    spec = implementation.args
    positional, named = spec.resolve(data.args, data.named_args) if data.named_args else spec.resolve(data.args)
    values: dict[str, object] = dict(spec.defaults)
    values |= dict(zip(spec.positional, positional, strict=False)) | dict(named)
    known = {}
    for name, value in values.items():
        try:
            known[name] = variables.replace_scalar(value) if isinstance(value, str) else value
        except Exception:  # noqa: BLE001 - a variable that has no value before the suite runs
            continue
    return known


@functools.cache
def drivers_taken(method: Callable[..., Any]) -> tuple[Taken, ...]:
    """Returns how a keyword takes its drivers, as its source says; nothing for one that has no source."""
    return tuple(_taken(method, set()))


def _taken(method: Callable[..., Any], seen: set[str]) -> Iterator[Taken]:
    function: Any = inspect.unwrap(getattr(method, "__func__", method))
    owner = getattr(method, "__self__", None)
    if function.__name__ in seen:
        return
    seen.add(function.__name__)
    for call, maybe in _calls(function):
        path = _name(call.args[-1]) if call.args else ""
        if found := _one(call, path, function.__globals__):
            yield replace(found, maybe=maybe or found.maybe)
        elif _is_self(call.func) and call.func.attr.startswith("_"):  # type: ignore[attr-defined]  # as it is of self
            helper = getattr(owner, call.func.attr, None)  # type: ignore[attr-defined]
            passed = {_name(each) for each in [*call.args, *(pair.value for pair in call.keywords)]}
            yield from (taken for taken in _taken(helper, seen) if taken.argument in passed) if helper else ()


def _one(call: ast.Call, path: str, known: dict[str, Any]) -> Taken | None:
    """What one call of a function says; the path is the name of its last argument."""
    function, first = call.func, known.get(_name(call.args[0])) if call.args else None
    if not path:
        return None
    if len(call.args) == 2 and _is_self(call.args[0]):  # such as ssh_client(self.device, driver)
        chooser = known.get(_name(function))
        returned = hints_of(chooser).get("return") if inspect.isfunction(chooser) else None
        return Taken(chooser, path) if chooser is not None and _is_client(returned) else None
    name = function.attr if isinstance(function, ast.Attribute) else ""
    if name in ("driver", "driver_of") and len(call.args) == 2 and _is_client(first):
        return Taken(_of_family(cast(type[DriverClient], first)), path)
    if name == "console" and _is_self(function):
        return Taken(_of_family(SerialClient), path, maybe=True)  # the current one, if it is not named
    if (name == "any_driver" and _is_self(function)) or (name == "driver" and len(call.args) == 1):
        return Taken(_of_any_family, path, generic=True)
    return None


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _is_client(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, DriverClient)


def _of_family(kind: type[DriverClient]) -> Callable[[Device, str | None], DriverClient]:
    return lambda device, path: device.driver_of(kind, path)


def _of_any_family(device: Device, path: str | None) -> DriverClient:
    return device.driver(device.default_driver if path is None else path)


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


@functools.cache
def _calls(function: Any) -> tuple[tuple[ast.Call, bool], ...]:
    """The calls in a function, and whether each is made under a condition."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # of a plugin that has no source
        return ()
    conditions = [node for node in ast.walk(tree) if isinstance(node, (ast.BoolOp, ast.IfExp, ast.If))]
    under = {id(node) for condition in conditions for node in ast.walk(condition)}
    return tuple((node, id(node) in under) for node in ast.walk(tree) if isinstance(node, ast.Call))
