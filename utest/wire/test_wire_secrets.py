"""The redactor: used by several threads at once, and secrets in other shapes."""

from __future__ import annotations

import threading

import pytest

from JumpstarterLibrary.wire.secrets import MASK, Redactor


def test_secrets_that_two_threads_add_at_once_are_both_known() -> None:
    redact = Redactor()
    others: list[threading.Thread] = []

    class Meanwhile(str):
        """A secret during whose adding another thread adds one of its own."""

        def __hash__(self) -> int:
            if threading.current_thread() is threading.main_thread():
                other = threading.Thread(target=redact.add, args=[f"other-{len(others)}"])
                others.append(other)
                other.start()
                other.join(0.1)  # it gets in between, or has to wait until this one is known
            return super().__hash__()

    redact.add(Meanwhile("mine-0"))
    for other in others:
        other.join(10)

    assert redact("mine-0") == "<secret>"
    assert others
    assert [redact(f"other-{number}") for number in range(len(others))] == ["<secret>"] * len(others)


@pytest.mark.parametrize(
    "shown",
    [
        "hunt\x1b[31mer2-Zebra",
        "hunter2-\r\nZebra",
        repr("hunt\x1b[31mer2-Ze\nbra"),
        "h\u241b[0mu\u241b[1mnter2-Zebra",
    ],
)
def test_a_secret_in_pieces_is_masked(shown: str) -> None:
    redact = Redactor()
    redact.add("hunter2-Zebra")
    assert "Zebra" not in redact(f"before {shown} behind")
    assert redact("hunter2 Zebra") == "hunter2 Zebra"


def test_a_long_secret_in_pieces_is_masked_to_its_end() -> None:
    token = "eyJhbGciOiJFUzI1NiJ9." + "".join(chr(ord("A") + number * 7 % 26) for number in range(600)) + ".c2lnbmF0dXJl"
    redact = Redactor()
    redact.add(token)
    shown = "\r\n".join(token[at : at + 80] for at in range(0, len(token), 80))

    assert redact(f"before {shown} behind") == f"before {MASK} behind"
    assert redact(f"before {token[:300]}\x1b[0m{token[300:]} behind") == f"before {MASK} behind"


def test_a_secret_that_is_shown_as_bytes_is_masked() -> None:
    redact = Redactor()
    redact.add("pässwörd")
    assert redact(repr("pässwörd".encode())) == f"b'{MASK}'"
    assert redact("pässwörd".encode().decode("latin-1")) == MASK
