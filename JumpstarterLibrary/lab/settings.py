"""One value at a time: from the file, else from the environment, with its origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import yaml

from ..errors import ConfigurationError
from ..exporter.yaml_file import Place

T = TypeVar("T")

Reader = Callable[[Place], T]

SECTION_VARIABLES = {
    "metadata": "JMP_METADATA",
    "tls": "JMP_TLS",
    "drivers": "JMP_DRIVERS",
    "leases": "JMP_LEASES",
    "grpcOptions": "JMP_GRPCOPTIONS",
}
"""Whole sections as JSON."""
SECRET_KEYS = ("token", "refresh_token")


def text(place: Place) -> str:
    """Reads a text."""
    return place.text()


def stripped(place: Place) -> str:
    """Reads a text without the blanks and line ends around it, which files and `token: |` leave there."""
    return place.text().strip()


def boolean(place: Place) -> bool:
    """Reads a truth value; variables may say 1, true, yes or on."""
    value = place.value()
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    found = value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if found is None:
        raise place.error(f"expected true or false, not {value!r}")
    return found


def number(place: Place) -> float:
    """Reads a number."""
    value = place.value()
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise place.error(f"expected a number, not {value!r}")
    return float(value)


def option(place: Place) -> str | int:
    """Reads an option of gRPC."""
    value = place.value()
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise place.error(f"expected text or a whole number, not {value!r}")
    return value


def words(place: Place) -> list[str]:
    """Reads a list of texts, or a text with commas between."""
    value = place.value()
    if isinstance(value, str):
        return value.split(",")
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise place.error(f"expected a list of texts, not {value!r}")
    return value


class Values:
    """The values of one configuration.

    Args:
        top: the file; None if there is none.
        fields: its keys.
        environment: the variables.
    """

    def __init__(self, top: Place | None, fields: Mapping[str, Place], environment: Mapping[str, str]) -> None:
        self.origins: dict[str, str] = {}
        self._top = top
        self._fields = fields
        self._environment = environment
        self._places: dict[str, Place] = {}
        self._sections: dict[str, dict[str, Place]] = {}

    def take(self, key: str, read: Reader[T], variable: str | None = None) -> T | None:
        """Returns a value by its key, such as `tls.ca`; None if nobody gives it.

        Raises:
            ConfigurationError: it is of the wrong kind.
        """
        section, _, name = key.rpartition(".")
        fields = self._section(section) if section else self._fields
        if (place := fields.get(name)) is not None and not place.is_empty():
            return self._note(key, f"{place.file}:{place.line}", place, read)
        if variable and (found := self.from_variable(key, read, variable)) is not None:
            return found
        if section:
            place = self._section_of_environment(section).get(name)
            if place is not None and not place.is_empty():
                return self._note(key, SECTION_VARIABLES[section], place, read)
        self.origins[key] = "default"
        return None

    def need(self, key: str, read: Reader[str], variable: str) -> str:
        """The same, for what has to be there.

        Raises:
            ConfigurationError: nobody gives it; the message says where it belongs.
        """
        found = self.take(key, read, variable)
        if not found:
            place = f"{self._top.file}: {key}" if self._top else f"the environment has no {variable}, and {key}"
            hint = f"add it, or set {variable}" if self._top else "JMP_NAMESPACE and JMP_NAME are set, so the file is not read"
            raise ConfigurationError(f"{place} is missing: {hint}.")
        return found

    def take_all(self, section: str, read: Reader[T]) -> dict[str, T]:
        """Returns every value of a section."""
        names = {**self._section_of_environment(section), **self._section(section)}
        found = {name: self.take(f"{section}.{name}", read) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def from_variable(self, key: str, read: Reader[T], variable: str) -> T | None:
        """Returns a value of the environment; None if it is not set."""
        value = self._environment.get(variable)
        if not value:
            return None
        node = yaml.ScalarNode("tag:yaml.org,2002:str", value, _NOWHERE, _NOWHERE)
        return self._note(key, variable, Place(variable, node, key), read)

    def error(self, key: str, message: str) -> ConfigurationError:
        """Makes the error that says what is wrong with a value that was taken."""
        return self._places[key].error(message)

    def _note(self, key: str, origin: str, place: Place, read: Reader[T]) -> T:
        self.origins[key] = origin
        self._places[key] = place
        try:
            return read(place)
        except ConfigurationError:
            if key in SECRET_KEYS:  # what stands there may be most of the secret
                raise place.error("expected text; put it in quotes") from None
            raise

    def _section(self, name: str) -> dict[str, Place]:
        place = self._fields.get(name)
        if place is None or place.is_empty():
            return {}
        return place.fields(f"the section {name}")

    def _section_of_environment(self, name: str) -> dict[str, Place]:
        if name not in self._sections:
            variable = SECTION_VARIABLES[name]
            given = self._environment.get(variable)
            self._sections[name] = _parse(variable, name, given).fields(f"{variable}") if given else {}
        return self._sections[name]


def _parse(variable: str, section: str, given: str) -> Place:
    try:
        node = yaml.compose(given, Loader=yaml.SafeLoader)  # JSON is YAML
    except yaml.YAMLError:
        node = None
    if node is None:
        raise ConfigurationError(f"{variable}: expected the section {section} as JSON.")
    return Place(variable, node, section)


_NOWHERE: Any = yaml.Mark("", 0, 0, 0, None, 0)
