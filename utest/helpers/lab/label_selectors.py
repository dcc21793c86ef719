"""Kubernetes label selectors: parsing, matching, and the text into which the controller turns them (§8.2)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_KEY = r"(?:[A-Za-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?"
_PATTERNS = (
    ("!", re.compile(rf"!\s*(?P<key>{_KEY})")),
    ("set", re.compile(rf"(?P<key>{_KEY})\s+(?P<operator>in|notin)\s*\(\s*(?P<values>[^()]*?)\s*\)")),
    ("exact", re.compile(rf"(?P<key>{_KEY})\s*(?P<operator>==|!=|=)\s*(?P<values>{_VALUE})")),
    ("number", re.compile(rf"(?P<key>{_KEY})\s*(?P<operator>[<>])\s*(?P<values>-?\d+)")),
    ("exists", re.compile(rf"(?P<key>{_KEY})")),
)
_SEPARATOR = re.compile(r",(?![^(]*\))")


class SelectorError(Exception):
    """What the controller says about a selector that it does not take."""


@dataclass(frozen=True)
class Requirement:
    """One term. Operators: In, NotIn, Exists, DoesNotExist, and `=`, `!=`, `<`, `>` before a lease stores it."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy it."""
        value = labels.get(self.key)
        match self.operator:
            case "=" | "In":
                return value is not None and value in self.values
            case "!=" | "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
        return value is not None and value.lstrip("-").isdigit() and self._compares(int(value))

    def _compares(self, value: int) -> bool:
        return value > int(self.values[0]) if self.operator == ">" else value < int(self.values[0])


@dataclass(frozen=True)
class Selector:
    """A selector as a lease stores it."""

    match_labels: Mapping[str, str] = field(default_factory=dict)
    expressions: tuple[Requirement, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return not self.match_labels and not self.expressions

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy all of it."""
        equal = all(labels.get(key) == value for key, value in self.match_labels.items())
        return equal and all(each.matches(labels) for each in self.expressions)

    def __str__(self) -> str:
        # All terms are sorted by key, values by themselves.
        terms = [(key, f"{key}={value}") for key, value in self.match_labels.items()]
        terms += [(each.key, _text(each)) for each in self.expressions]
        return ",".join(text for _, text in sorted(terms)) or "<none>"


def _text(requirement: Requirement) -> str:
    match requirement.operator:
        case "In":
            return f"{requirement.key} in ({','.join(sorted(requirement.values))})"
        case "NotIn":
            return f"{requirement.key} notin ({','.join(sorted(requirement.values))})"
        case "Exists":
            return requirement.key
    return f"!{requirement.key}"


def parse(text: str) -> list[Requirement]:
    """The terms of a selector, as a filter takes them.

    Raises:
        SelectorError: it is no selector.
    """
    terms = [term.strip() for term in _SEPARATOR.split(text)] if text.strip() else []
    return [_requirement(term) for term in terms]


def _requirement(term: str) -> Requirement:
    for kind, pattern in _PATTERNS:
        match = pattern.fullmatch(term)
        if match is None:
            continue
        if kind in ("!", "exists"):
            return Requirement(match["key"], "DoesNotExist" if kind == "!" else "Exists")
        if kind == "set":
            values = tuple(dict.fromkeys(value.strip() for value in match["values"].split(",")))
            if not all(re.fullmatch(_VALUE, value) for value in values):
                break
            return Requirement(match["key"], "In" if match["operator"] == "in" else "NotIn", values)
        operator = "=" if match["operator"] == "==" else match["operator"]
        return Requirement(match["key"], operator, (match["values"],))
    raise SelectorError(f"unable to parse requirement: found '{term}', expected: a requirement")


def parse_for_lease(text: str) -> Selector:
    """A selector as `CreateLease` stores it.

    Raises:
        SelectorError: it is none, uses `<` or `>`, or wants two values of one label.
    """
    try:
        requirements = parse(text)
    except SelectorError as error:
        raise SelectorError(f"failed to parse label selector: {error}") from None
    labels: dict[str, str] = {}
    excluded: dict[str, list[str]] = {}
    expressions = []
    for each in requirements:
        if each.operator == "=":
            (value,) = each.values
            if labels.setdefault(each.key, value) != value:
                raise SelectorError(
                    f"invalid selector: label {each.key} cannot have multiple equality requirements "
                    f"with different values ({labels[each.key]} and {value})"
                )
        elif each.operator == "!=":
            excluded.setdefault(each.key, []).extend(value for value in each.values if value not in excluded.get(each.key, []))
        elif each.operator in ("<", ">"):
            name = {"<": "lt", ">": "gt"}[each.operator]
            raise SelectorError(f"unsupported label selector operator: {name}")
        else:
            expressions.append(each)
    expressions += [Requirement(key, "NotIn", tuple(values)) for key, values in excluded.items()]
    return Selector(labels, tuple(expressions))
