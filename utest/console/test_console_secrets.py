"""Secrets that the library itself brings into another form, or cuts in two, and secrets of hundreds of letters."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from console_support import BareConsole, cut
from test_console_dialogues import Scripted, shell

from JumpstarterLibrary.client import Device
from JumpstarterLibrary.client.console.masking import StreamMask
from JumpstarterLibrary.client.console.uboot import UBoot
from JumpstarterLibrary.errors import ConsoleError
from JumpstarterLibrary.keywords.console_base import MOST_SHOWN, shown_end, shown_output
from JumpstarterLibrary.wire.secrets import MASK, Redactor

TOKENS = ["".join(chr(ord("A") + number * step % 26) for number in range(1300)) for step in (3, 5, 7)]
"""As a session through a lab has them."""


@pytest.mark.parametrize("secret", ["it's Zebra", "'Zebra'", "it''s Zebra"])
def test_a_quote_in_a_secret_of_a_command_does_not_show_it(serve: Callable[..., Device], tmp_path, secret: str) -> None:
    """The command is quoted once more for the shell, which echoes it like this."""
    device = serve(Scripted(shell()))
    device.files = tmp_path
    console = device.root.open_console()
    device.connection.redact.add(secret)
    assert console.execute(f'connect "{secret}"', timeout=10).rc == 0
    said = "".join(console.output("session start"))
    console.close()
    assert "connect" in said
    assert "Zebra" not in said
    assert "Zebra" not in (tmp_path / "console.log").read_text()
    assert not [event for event in device.journal.events() if "Zebra" in repr(event)]


@pytest.mark.parametrize("place", [MOST_SHOWN // 2 - 5, 3 * MOST_SHOWN - MOST_SHOWN // 2 - 5])
def test_a_secret_at_the_place_where_output_is_shortened_does_not_show_a_half(place: int) -> None:
    redact = Redactor()
    redact.add("hunter2-Zebra")
    text = ("." * place + "hunter2-Zebra").ljust(3 * MOST_SHOWN, ".")
    shown = shown_output(text, redact)
    assert not re.search("hunt|ebra", redact(shown))
    assert len(shown) < MOST_SHOWN + 100
    for size in range(1, len("hunter2-Zebra")):
        assert "Zebra"[-size:] not in redact(shown_end("hunter2-Zebra".ljust(2000 + size, "."), redact))


def test_a_secret_at_the_place_where_a_line_for_u_boot_is_shortened_does_not_show_a_half() -> None:
    console = BareConsole(settle=0.02)
    redact = console.device.connection.redact = Redactor()
    redact.add("hunter2-Zebra")
    console.write = lambda *_, **__: None  # type: ignore[attr-defined]
    console.mark = console.transcript.mark  # type: ignore[attr-defined]
    loader = UBoot(console)  # type: ignore[arg-type]
    loader._echoed = lambda *_: False  # type: ignore[method-assign]
    loader._interrupt = lambda *_: True  # type: ignore[method-assign]
    line = "setenv note ".ljust(200 - 6, ".") + "hunter2-Zebra"
    with pytest.raises(ConsoleError, match="did not take the line") as failure:
        loader._type(line, console.deadline(5))
    assert "hunt" not in str(failure.value)


def test_secrets_of_a_thousand_letters_hold_up_nobody() -> None:
    """It is the reader's thread that masks, and a pattern for so many letters once took seconds to make."""
    began = time.process_time()
    StreamMask(lambda: TOKENS)(b"hello\r\n")
    assert time.process_time() - began < 2


def test_a_secret_of_a_thousand_letters_is_masked_in_pieces_and_nothing_behind_it() -> None:
    echoed = "\x1b[0m\r\n".join(TOKENS[1][at : at + 80] for at in range(0, 1300, 80))
    said = f"Token: {echoed}\r\nDONE\r\nshort hun\x1b[1mter2 {TOKENS[0]}{TOKENS[2]}".encode()
    for places in ([], [10], [700, 701], range(5, 4000, 97)):
        mask = StreamMask(lambda: [*TOKENS, "hunter2"])
        masked = b"".join(map(mask, cut(said, places))) + mask(b"", last=True)
        assert masked.decode() == f"Token: {MASK}\r\nDONE\r\nshort {MASK} {MASK}{MASK}"
