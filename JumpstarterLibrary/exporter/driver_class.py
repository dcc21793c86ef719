"""From the `type` and `config` of an exporter configuration to a driver."""

from __future__ import annotations

import importlib
import inspect
import logging
import types
import typing
from typing import Any
from uuid import UUID

from ..errors import JumpstarterError
from .annotations import hints_of
from .driver import Driver
from .yaml_file import Place, hint

EQUIVALENTS = {
    "jumpstarter_driver_composite.driver.Composite": "JumpstarterLibrary.exporter.composite.Composite",
    "jumpstarter_driver_composite.driver.Proxy": "JumpstarterLibrary.exporter.composite.Proxy",
    "jumpstarter_driver_network.driver.EchoNetwork": "JumpstarterLibrary.drivers.EchoNetwork",
    "jumpstarter_driver_network.driver.TcpNetwork": "JumpstarterLibrary.drivers.TcpNetwork",
    "jumpstarter_driver_opendal.driver.MockFlasher": "JumpstarterLibrary.drivers.MockFlasher",
    "jumpstarter_driver_power.driver.MockPower": "JumpstarterLibrary.drivers.MockPower",
    "jumpstarter_driver_power.driver.SyncMockPower": "JumpstarterLibrary.drivers.SyncMockPower",
}
"""Upstream's drivers that are in the box here, too."""
BESIDE_CONFIG = ("children", "description", "methods_description")
NOT_CONFIGURABLE = (*BESIDE_CONFIG, "logger", "resources")
SERVED_HERE = "this server serves drivers derived from JumpstarterLibrary.exporter.Driver"
SERVED_UPSTREAM = (
    f"{SERVED_HERE}, and this one is upstream's. Serve it with `jmp run --exporter-config …` and open the session with "
    "host:port, or run the suite inside `jmp shell --exporter-config …`"
)


def find_class(place: Place) -> type[Driver]:
    """Imports the driver class that a `type` names.

    Raises:
        ConfigurationError: there is none, or it is no driver that this server can serve.
    """
    path = place.text()
    module_name, _, name = EQUIVALENTS.get(path, path).rpartition(".")
    if not module_name or not all(part.isidentifier() for part in path.split(".")):
        raise place.error(f"'{path}' is not the path of a class, such as JumpstarterLibrary.drivers.MockPower")
    module = _import(place, path, module_name)
    found = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, Driver):
        return found
    if _is_upstream(path):
        raise place.error(f"'{path}' cannot be served: {SERVED_UPSTREAM}")
    if found is None:
        names = [key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Driver)]
        raise place.error(f"the module {module_name} has no '{name}'; {hint(name, names)}")
    kind = "a class that is no driver" if isinstance(found, type) else "no class"
    raise place.error(f"'{path}' is {kind}: {SERVED_HERE}")


def _import(place: Place, path: str, module_name: str) -> types.ModuleType:
    try:
        return importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001 - a driver's module may fail in any way; the file's author has to know
        if _is_upstream(path):
            raise place.error(f"'{path}' cannot be served: {SERVED_UPSTREAM}") from None
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module_name}.".startswith(f"{error.name}."):
            text = f"there is no module '{error.name}'; is it installed, or its folder in PYTHONPATH?"
        else:
            text = f"importing {module_name} failed with {type(error).__name__}: {error}"
        raise place.error(f"'{path}' cannot be imported: {text}") from None


def _is_upstream(path: str) -> bool:
    package = path.partition(".")[0]
    return package == "jumpstarter" or package.startswith("jumpstarter_driver_")


def make_driver(driver_class: type[Driver], type_place: Place, config: Place | None, arguments: dict[str, Any]) -> Driver:
    """Makes a driver with the keys of its `config` as keyword arguments.

    Args:
        driver_class: its class.
        type_place: the `type` entry, for errors.
        config: the `config` entry.
        arguments: what stands beside `config`.

    Raises:
        ConfigurationError: a key or a value does not fit the class, or making it failed.
    """
    name = driver_class.__name__
    known = _parameters(driver_class)
    fields = {} if config is None or config.is_empty() else config.fields(f"the config of {name}")
    for key, place in fields.items():
        if key in BESIDE_CONFIG:
            raise place.error(f"'{key}' belongs beside 'config', not into it")
        if key not in known or key in NOT_CONFIGURABLE:
            configurable = [parameter for parameter in known if parameter not in NOT_CONFIGURABLE]
            raise place.error(f"'{key}' is not a config key of {name}; {hint(key, configurable)}")
    for key in arguments:
        if key not in known:
            raise type_place.error(f"{name} takes no {key}")
    given = arguments | {key: _checked(place, known[key].annotation) for key, place in fields.items()}
    missing = [key for key, parameter in known.items() if parameter.default is parameter.empty and key not in given]
    if missing:
        raise (config or type_place).error(f"{name} needs in its config: {', '.join(missing)}")
    try:
        return driver_class(**given)
    except JumpstarterError as error:
        raise type_place.error(f"{name} cannot be made: {error}") from None
    except Exception as error:  # whatever a constructor raises, the file's author has to know
        raise type_place.error(f"{name} cannot be made: {type(error).__name__}: {error}") from error


def _parameters(driver_class: type) -> dict[str, inspect.Parameter]:
    """The keyword arguments of a class; those that it passes on with `**` are its bases'."""
    found: dict[str, inspect.Parameter] = {}
    fields = _class_hints(driver_class)
    for base in driver_class.__mro__:
        if "__init__" not in vars(base):
            continue
        hints = fields | hints_of(base.__init__)  # type: ignore[misc]  # a base of the class itself, so its own __init__
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                found.setdefault(parameter.name, parameter.replace(annotation=hints.get(parameter.name, Any)))
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


def _class_hints(driver_class: type) -> dict[str, Any]:
    """The types of a dataclass's fields; those of `Driver` are known even where others cannot be resolved."""
    try:
        return typing.get_type_hints(driver_class)
    except Exception:  # noqa: BLE001 - resolving runs the annotations' text, and that may raise anything
        return typing.get_type_hints(Driver)


def _checked(place: Place, wanted: object) -> object:
    """Reads a config value and checks it against the annotation, as far as that is plain."""
    if wanted is UUID:
        try:
            return UUID(place.text())
        except ValueError:
            raise place.error("not a UUID") from None
    if place.key.endswith(".log_level"):
        return _log_level(place)
    value = place.value()
    if not _fits(value, wanted):
        name = wanted.__name__ if isinstance(wanted, type) and not typing.get_args(wanted) else str(wanted)
        raise place.error(f"expected {name}, not {value!r}")
    return float(value) if wanted is float and isinstance(value, int) else value


def _log_level(place: Place) -> object:
    level = place.value()
    if isinstance(level, str):
        level = level.upper()
    if level not in logging.getLevelNamesMapping() and (not isinstance(level, int) or isinstance(level, bool)):
        raise place.error(f"{level!r} is not a log level; {hint(str(level), logging.getLevelNamesMapping())}")
    return level


def _fits(value: object, wanted: object) -> bool:  # noqa: PLR0911 - one line per kind of type reads best
    origin = typing.get_origin(wanted)
    arguments = typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, kind) for kind in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is list and arguments:
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if origin is dict and arguments:
        return isinstance(value, dict) and all(
            _fits(key, arguments[0]) and _fits(item, arguments[1]) for key, item in value.items()
        )
    if wanted is type(None):
        return value is None
    if wanted in (int, float):
        return isinstance(value, (int, float) if wanted is float else int) and not isinstance(value, bool)
    if wanted in (str, bool, list, dict):
        return isinstance(value, typing.cast("type", wanted))
    return True  # a richer type: its class has to judge
