"""YAML whose every value knows its place, so that an error can name file, line and key."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ..errors import ConfigurationError
from ..wire import names

_TAG = "tag:yaml.org,2002:"


class Place:
    """A value in a YAML file.

    Args:
        file: the file's name, for errors.
        node: the value.
        key: the keys that lead to it, joined by dots.
        line: the line to name in errors; that of the value unless given.
    """

    def __init__(self, file: str, node: Node, key: str, line: int | None = None) -> None:
        self.file = file
        self.key = key
        self.line = node.start_mark.line + 1 if line is None else line
        self._node = node

    def error(self, text: str) -> ConfigurationError:
        """Makes the error that says what is wrong here."""
        return ConfigurationError(f"{self.file}:{self.line}: {self.key + ': ' if self.key else ''}{text}")

    def fields(self, what: str, known: Collection[str] | None = None) -> dict[str, Place]:
        """Returns the values of a mapping by key, each with the line of its key.

        Args:
            what: what the mapping is, for errors.
            known: the keys that it may have; any unless given.

        Raises:
            ConfigurationError: it is no mapping, or a key is not text, or not known.
        """
        if not isinstance(self._node, MappingNode):
            raise self.error(f"{what} is a mapping, not {self._kind()}")
        found = {}
        for key, value in self._node.value:
            place = Place(self.file, key, self.key)
            name = place._key_text()
            if known is not None and name not in known:
                raise place.error(f"'{name}' is not a key of {what}; {hint(name, known)}")
            found[name] = Place(self.file, value, f"{self.key}.{name}" if self.key else name, place.line)
        return found

    def text(self) -> str:
        """Returns a text.

        Raises:
            ConfigurationError: it is something else.
        """
        if self._node.tag != _TAG + "str":
            raise self.error(f"expected text, not {self._kind()}; put it in quotes if it is meant as text")
        return str(self._node.value)

    def texts(self, what: str) -> dict[str, str]:
        """Returns a mapping of text to text."""
        return {name: place.text() for name, place in self.fields(what).items()}

    def value(self) -> object:
        """Returns the value as plain Python.

        Raises:
            ConfigurationError: it has a tag or a form that is not plain YAML.
        """
        try:
            return SafeConstructor().construct_document(self._node)
        except (ConstructorError, ValueError) as error:
            raise self.error(_text_of(error)) from None

    def is_empty(self) -> bool:
        """Whether nothing is written here, or an empty mapping."""
        return self._node.tag == _TAG + "null" or (isinstance(self._node, MappingNode) and not self._node.value)

    def _key_text(self) -> str:
        if self._node.tag == _TAG + "str":
            return str(self._node.value)
        if self._node.tag == _TAG + "bool":
            word = self._node.value
            raise self.error(f'the key {word} is a YAML boolean, not text; write it in quotes: "{word}"')
        raise self.error(f"a key must be text, not {self._kind()}; write it in quotes")

    def _kind(self) -> str:
        if isinstance(self._node, MappingNode):
            return "a mapping"
        if isinstance(self._node, SequenceNode):
            return "a list"
        names = {"null": "nothing", "bool": "the boolean", "int": "the number", "float": "the number", "str": "the text"}
        name = names.get(self._node.tag.removeprefix(_TAG), f"a value with the tag {self._node.tag}")
        return name if name == "nothing" else f"{name} {self._node.value}"


def read_yaml(path: Path) -> Place:
    """Reads a file with one YAML document.

    Raises:
        ConfigurationError: it cannot be read, is no YAML, is empty, or has a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        where = "" if path.is_absolute() else f" (looked for in {Path.cwd()})"
        raise ConfigurationError(f"Cannot read '{path}': {error.strerror}{where}.") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise ConfigurationError(f"{path}: the file is empty")
        place = Place(str(path), node, "")
        _check(place, node, [], set())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{path}:{line}: not YAML: {_text_of(error)}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML: {_text_of(error)}") from None
    except RecursionError:
        raise ConfigurationError(f"{path}: nested too deeply") from None
    return place


def hint(wrong: str, known: Collection[str]) -> str:
    """Says which of the known names is near a wrong one, or which there are."""
    near = names.near(wrong, known)
    return f"did you mean '{near[0]}'?" if near else f"known are {', '.join(sorted(known)) or 'none'}"


def _check(place: Place, node: Node, above: list[Node], checked: set[Node]) -> None:
    """Refuses what plain loaders pass over: keys given twice, aliases that contain themselves. Resolves merge keys."""
    if node in above:
        raise place.error("contains itself through an alias")
    if node in checked or isinstance(node, ScalarNode):
        return
    checked.add(node)
    above.append(node)
    if isinstance(node, MappingNode):
        _check_keys(place, node)
        SafeConstructor().flatten_mapping(node)
        for key, value in node.value:
            name = f"{place.key}.{key.value}" if place.key else str(key.value)
            _check(Place(place.file, value, name), value, above, checked)
    else:
        for index, value in enumerate(node.value):
            _check(Place(place.file, value, f"{place.key}[{index}]"), value, above, checked)
    above.pop()


def _check_keys(place: Place, node: MappingNode) -> None:
    lines: dict[object, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            raise Place(place.file, key, place.key).error("a key must be text, not a mapping or a list")
        if first := lines.get((key.tag, key.value)):
            raise Place(place.file, key, place.key).error(f"the key '{key.value}' stands here twice, first in line {first}")
        lines[(key.tag, key.value)] = line


def _text_of(error: Exception) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return " ".join(str(problem).split())
