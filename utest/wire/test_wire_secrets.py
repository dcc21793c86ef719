"""The redactor, used by several threads at once."""

from __future__ import annotations

import threading

from JumpstarterLibrary.wire.secrets import Redactor


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
