"""Which of the classes that an exporter names may be imported, and where they come from (protocol §6.6).

The exporter chooses the class path, and importing runs code: so nothing is allowed unless somebody on this side allows it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ..errors import ConfigurationError

UNSAFE = "UNSAFE"
"""The element that allows everything."""
EXTRA = "robotframework-jumpstarter[drivers]"
"""What brings upstream's own client."""

_NOT_ON_PYPI = frozenset({"jumpstarter_driver_bt_peer", "jumpstarter_driver_cuttlefish", "jumpstarter_driver_video"})


@dataclass(frozen=True)
class AllowList:
    """Patterns for class paths: case matters, `*` matches anything, also dots. Blanks belong to a pattern."""

    patterns: tuple[str, ...] = ()
    unsafe: bool = False

    @classmethod
    def from_environment(cls, more: Iterable[str] = ()) -> AllowList:
        """What `JMP_DRIVERS_ALLOW` and `JMP_DRIVERS_UNSAFE` say, and more patterns beside it."""
        told = os.environ.get("JMP_DRIVERS_ALLOW")
        patterns = (*(told.split(",") if told is not None else ()), *more)
        flag = os.environ.get("JMP_DRIVERS_UNSAFE", "").lower() in {"1", "true", "t", "yes", "y", "on"}
        return cls(patterns, flag or UNSAFE in patterns)

    def permits(self, class_path: str) -> bool:
        """Whether a class may be imported."""
        return self.unsafe or any(fnmatchcase(class_path, pattern) for pattern in self.patterns)

    def __str__(self) -> str:
        """The form that `JMP_DRIVERS_ALLOW` takes."""
        return UNSAFE if self.unsafe else ",".join(self.patterns)


def refusal(act: str, class_paths: Iterable[str]) -> ConfigurationError:
    """The error for classes that may not be imported; it says how to allow them."""
    refused = list(dict.fromkeys(class_paths))
    families = list(dict.fromkeys(f"{path.partition('.')[0]}.*" for path in refused))
    listed = " and ".join(f"'{path}'" for path in refused)
    those = "that class is" if len(refused) == 1 else "those classes are"
    return ConfigurationError(
        f"{act} needs {listed}, which the exporter names, and {those} not allowed: importing runs code. If you trust the "
        f"exporter, say allow={','.join(families)}, or set JMP_DRIVERS_ALLOW={','.join(families)} (the word {UNSAFE} allows all)."
    )


def package_of(class_path: str) -> str:
    """Says what to install for a class: the PyPI package of upstream's that has it, else its module."""
    module = class_path.partition(".")[0]
    if module in _NOT_ON_PYPI:
        return f"the package '{module.replace('_', '-')}', which is not on PyPI but only in Jumpstarter's repository"
    if module == "jumpstarter":
        return f"pip install '{EXTRA}'"
    if module.startswith("jumpstarter_driver_"):
        return f"pip install '{EXTRA}' {module.replace('_', '-')}"
    return f"the package of your lab that has the module '{module}'"


def import_client_class(act: str, class_path: str, base: type[Any]) -> type[Any]:
    """Imports a class that is allowed.

    Args:
        act: what it is for, as the begin of a message.
        class_path: module and class, joined by dots.
        base: what it has to derive from.

    Raises:
        ConfigurationError: it cannot be imported; the message says what to install.
    """
    module_name, _, name = class_path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except ModuleNotFoundError as error:
        if error.name and (class_path == error.name or class_path.startswith(f"{error.name}.")):
            raise ConfigurationError(
                f"{act} needs '{class_path}', which is not installed. Install it: {package_of(class_path)}"
            ) from None
        raise ConfigurationError(
            f"{act} needs '{class_path}', and its module cannot be imported: it needs the module '{error.name}', which is not "
            "installed."
        ) from None
    except AttributeError:
        raise ConfigurationError(
            f"{act} needs '{class_path}': the module is installed, and has no class '{name}'. The exporter has another version: "
            "install the same one here."
        ) from None
    except Exception as error:  # noqa: BLE001 - anything can happen when foreign modules are imported
        raise ConfigurationError(
            f"{act} needs '{class_path}', and its module cannot be imported: {type(error).__name__}: {error}"
        ) from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigurationError(f"{act} needs '{class_path}', and that is no client class of Jumpstarter's.")
    return found
