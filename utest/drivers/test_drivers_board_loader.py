"""The boot loader of the simulated board."""

from __future__ import annotations

import pytest
from drivers_support import Board


@pytest.fixture
def loader(board):
    """The board, stopped at its boot loader's prompt."""
    board = board(autoboot=0.4)
    stop(board)
    return board


def stop(board: Board, key: bytes = b" ") -> None:
    mark = board.console.mark()
    if not board.state.is_on:
        board.power.on()
    board.console.wait_for_prompt(r"autoboot: +\d $", timeout=5, since=mark)
    board.console.write(key)
    board.console.wait_for_prompt("^=> $", timeout=5, since=mark)


def said(board: Board, line: str) -> str:
    """What a command prints, without its echo and the prompt."""
    mark = board.console.mark()
    board.console.write_line(line)
    board.console.wait_for_prompt("^=> $", timeout=5, since=mark)
    text = board.console.text(mark)
    assert text.startswith(f"{line}\n")
    return text.removeprefix(f"{line}\n").removesuffix("=> ")


@pytest.mark.parametrize("key", [b" ", b"\x1b", b"\n", b"\x03", b"abc"])
def test_any_key_stops_it(board, key):
    board = board(autoboot=0.4)
    stop(board, key)
    assert board.state.running == "loader"
    assert said(board, "version") == "JLBoot 2026.11 (simulated)\n"


def test_without_a_key_it_counts_down_and_boots(board):
    board = board(autoboot=0.1)
    board.power.on()
    board.console.wait_for_prompt("login: $", timeout=5)
    assert b"autoboot:  2 \b\b\b 1 \b\b\b 0 \r\n" in board.console.raw()
    assert "=> " not in board.console.text()


def test_a_key_before_the_countdown_counts_too(board):
    board = board(boot_time=2.0, autoboot=0.1)
    board.power.on()
    board.console.wait_for_line("JLBoot", timeout=5)
    board.console.write(b" ")
    board.console.wait_for_prompt("^=> $", timeout=5)


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("printenv bootdelay", "bootdelay=2\n"),
        ("printenv nosuch", '## Error: "nosuch" not defined\n'),
        ("printenv nosuch; echo $?", '## Error: "nosuch" not defined\n1\n'),
        ("setenv a one two; printenv a; echo $?", "a=one two\n0\n"),
        ("setenv a 'it'\\''s'; printenv a; setenv a; printenv a", 'a=it\'s\n## Error: "a" not defined\n'),
        ("setenv a b; echo ${a} $a", "b b\n"),
        ("setenv a=b c; echo $?", "## Error: illegal character '=' in variable name \"a=b\"\n1\n"),
        ("nosuch", "Unknown command 'nosuch' - try 'help'\n"),
        ("nosuch; echo $?", "Unknown command 'nosuch' - try 'help'\n1\n"),
        ("false || echo no", "no\n"),
        ("# a comment", ""),
        ("", ""),
    ],
)
def test_commands(loader, line, output):
    assert said(loader, line) == output


def test_lists(loader):
    assert "\nsetenv    - " in f"\n{said(loader, 'help')}"
    variables = said(loader, "printenv")
    assert "bootdelay=2\n" in variables
    assert variables.splitlines()[-1] == f"Environment size: {len(variables.partition(chr(10) * 2)[0]) + 1}/16380 bytes"


def test_boot_boots(loader):
    loader.console.write_line("boot")
    loader.console.login("root", "sesame")


def test_reset_begins_again_and_forgets_what_was_not_saved(loader):
    said(loader, "setenv kept yes; saveenv; setenv lost yes")
    loader.console.write_line("reset")
    stop(loader)
    assert said(loader, "printenv kept lost") == 'kept=yes\n## Error: "lost" not defined\n'


def test_a_negative_delay_never_boots(loader):
    said(loader, "setenv bootdelay -1; saveenv")
    mark = loader.console.mark()
    loader.console.write_line("reset")
    loader.console.wait_for_prompt("^=> $", timeout=5, since=mark)
    assert "autoboot" not in loader.console.text(mark)


def test_ctrl_c_interrupts(loader):
    mark = loader.console.mark()
    loader.console.write_line("sleep 30")
    loader.console.write(b"\x03")
    loader.console.wait_for_prompt("^=> $", timeout=5, since=mark)
    assert "<INTERRUPT>" in loader.console.text(mark)


def test_our_client_for_u_boot_works_on_it(board):
    from JumpstarterLibrary.client.console.uboot import UBoot

    board = board(autoboot=0.4)
    uboot = UBoot(board.console)
    uboot.boot(board.power.on, timeout=5)
    assert uboot.execute("version").stdout == "JLBoot 2026.11 (simulated)"
    uboot.set("greeting", "it's $5; really")
    assert uboot.get("greeting") == "it's $5; really"
    assert uboot.get("nosuch") is None
    uboot.leave()
    board.console.login("root", "sesame")
