"""Masks secrets in what Robot itself writes: shown arguments, messages, and the debug file."""

from __future__ import annotations

import contextlib
import html
import re
from pathlib import Path
from typing import Any

from robot.libraries.BuiltIn import BuiltIn

from ..wire.secrets import MASK, Redactor, is_secret

SECRET_ARGUMENTS = ("passphrase",)
"""Named arguments of our keywords whose value nobody may see, also when it was written into the suite as plain text."""
OPEN_KEYWORD = "openjumpstartersession"
OPEN_POSITIONAL = 2
"""Positional arguments that it takes. What is written beyond them is a mistake, and may well be the passphrase."""
OPEN_NAMED = ("target", "alias", "timeout", "security", "ca")

LOGIN_KEYWORD = "logintoconsole"
LOGIN_NAMED = ("username", "password", "login_prompt", "password_prompt", "prompt", "timeout", "console")

_NAMED = re.compile(rf"({'|'.join(SECRET_ARGUMENTS)})=(.+)", re.DOTALL)
_NO_SECRET = re.compile(rf"[$%]\{{[^{{}}]+\}}|({'|'.join(OPEN_NAMED)})=.*", re.DOTALL)
_IN_TRACE = re.compile(rf"\b({'|'.join(SECRET_ARGUMENTS)})=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")


def mask_arguments(result: Any, redact: Redactor) -> None:
    """Masks what is secret by its place in a keyword's arguments, also in those of a keyword that runs ours."""
    arguments, start = [], 0 if _normal(result.name) == OPEN_KEYWORD else None
    for index, argument in enumerate(result.args):
        text = str(argument) if isinstance(argument, str) else ""
        if match := _NAMED.fullmatch(text):
            prefix, secret = f"{match[1]}=", match[2]
        else:
            prefix, secret = "", text if start is not None and index >= start + OPEN_POSITIONAL else ""
        if secret and not _NO_SECRET.fullmatch(secret):
            redact.add(secret)
            argument = f"{prefix}{MASK}"  # noqa: PLW2901 - shown in its place
        elif _normal(text) == OPEN_KEYWORD and _normal(result.name) != "runkeywords":
            start = index + 1
        arguments.append(argument)
    if _normal(result.name) == LOGIN_KEYWORD:
        arguments = _without_password(arguments, redact)
    if arguments != list(result.args):
        result.args = tuple(arguments)


def _without_password(arguments: list[Any], redact: Redactor) -> list[Any]:
    """Masks a password that was written into the suite as plain text, in its place or by its name."""
    places: dict[str, tuple[int, str, str]] = {}  # index, what stands before the value, and the value
    for index, argument in enumerate(arguments):
        text = argument if isinstance(argument, str) else ""
        name, equals, value = text.partition("=")
        if equals and name in LOGIN_NAMED:
            places[name] = index, f"{name}=", value
        elif index < 2:
            places[LOGIN_NAMED[index]] = index, "", text
    if "password" not in places:
        return arguments
    index, before, password = places["password"]
    _, _, username = places.get("username", (0, "", ""))
    if not is_secret(username, password) or re.fullmatch(r"[$%]\{[^{}]+\}", password):
        return arguments
    redact.add(password)
    return [*arguments[:index], f"{before}{MASK}", *arguments[index + 1 :]]


def mask_result(result: Any, redact: Redactor) -> None:
    """Masks known secrets in what is shown of a keyword or test that has ended."""
    if redact:
        if result.message and (text := redact(result.message)) != result.message:
            result.message = text
        shown = tuple(redact(argument) if isinstance(argument, str) else argument for argument in getattr(result, "args", ()))
        if shown and shown != tuple(result.args):
            result.args = shown


def mask_message(message: Any, redact: Redactor) -> None:
    """Masks known secrets in a log message; those of TRACE level may tell new ones."""
    text = message.message
    if text.startswith("Arguments: ["):
        for match in _IN_TRACE.finditer(text):
            redact.add(match[2][1:-1])
        text = _IN_TRACE.sub(rf"\1='{MASK}'", text)
    text = redact(text)
    if text != message.message:
        message.message = text.replace(MASK, html.escape(MASK)) if message.html else text


def mask_debug_file(path: Path, redact: Redactor) -> None:
    """Masks known secrets in the debug file: Robot writes arguments into it before any listener can change them."""
    with contextlib.suppress(OSError):
        text = path.read_text(encoding="utf-8")
        if (masked := redact(text)) != text:
            path.write_text(masked, encoding="utf-8")


def debug_file() -> Path | None:
    """Returns where Robot's debug file is, if it writes one."""
    path = str(BuiltIn().get_variable_value("${DEBUG FILE}", "NONE"))
    return None if path == "NONE" else Path(path)


def _normal(name: str | None) -> str:
    return (name or "").rpartition(".")[2].replace(" ", "").replace("_", "").lower()
