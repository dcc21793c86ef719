"""The shell of the simulated board."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from drivers_support import Board, eventually

from JumpstarterLibrary.client.console import Console


@pytest.fixture(scope="module")
def module_board() -> Iterator[Board]:
    board = Board()
    yield board
    board.close()


@pytest.fixture
def shell(module_board: Board) -> Console:
    """A shell at its prompt."""
    if not module_board.state.is_on:
        module_board.log_in()
    said(module_board.console, "\n")
    return module_board.console


def said(console: Console, typed: bytes | str, ending: str = r"# $") -> str:
    """What comes for what is typed, up to the next prompt."""
    mark = console.mark()
    console.write(typed)
    console.wait_for_prompt(ending, timeout=5, since=mark)
    return console.text(mark)


@pytest.mark.parametrize(
    ("command", "output", "status"),
    [
        ("true", "", 0),
        ("false", "", 1),
        (":", "", 0),
        ("nosuch", "sh: nosuch: not found", 127),
        ("'' x", "sh: : not found", 127),
        ("echo", "", 0),
        ("echo one  two", "one two", 0),
        ("echo 'one  two'", "one  two", 0),
        ('echo "a""b"\'c\'d', "abcd", 0),
        ('echo "it\'s" \'a "b"\'', 'it\'s a "b"', 0),
        ("echo 'it'\\''s'", "it's", 0),
        (r'echo "a \"quoted\" \$word"', 'a "quoted" $word', 0),
        ("echo 'a;b' a\\;b", "a;b a;b", 0),
        ("echo -n bare", "bare", 0),
        ("echo -e 'a\\tb'", "a\tb", 0),
        ("echo $?", "0", 0),
        ("false; echo $?", "1", 0),
        ("nosuch; echo $?; echo $?", "sh: nosuch: not found\n127\n0", 0),
        ("true && echo yes || echo no", "yes", 0),
        ("false && echo yes || echo no", "no", 0),
        ("false || false", "", 1),
        ("export A=b; echo $A ${A}c \"$A\" '$A'", "b bc b $A", 0),
        ("B='x y'; echo $B", "x y", 0),
        ("echo $NOSUCH end", "end", 0),
        ('echo "$NOSUCH" end', " end", 0),
        ("printf '%s\\n' one two", "one\ntwo", 0),
        ("printf '%s%s\\n' one two", "onetwo", 0),
        ("printf '%d%%\\n' 5", "5%", 0),
        ("seq 3", "1\n2\n3", 0),
        ("seq 5 6", "5\n6", 0),
        ("seq x", "seq: usage: seq [FIRST] LAST", 1),
        ("uname", "Linux", 0),
        ("uname -r", "6.12.0-board", 0),
        ("uname -n", "simboard", 0),
        ("uname -a", "Linux simboard 6.12.0-board #1 SMP (simulated) aarch64", 0),
        ("uname -x", "uname: invalid option -- 'x'", 1),
        ("whoami", "root", 0),
        ("hostname", "simboard", 0),
        ("cat /proc/version", "Linux version 6.12.0-board (simulated) #1 SMP", 0),
        ("cat /no/such/file", "cat: can't open '/no/such/file': No such file or directory", 1),
        ("sleep x", "sleep: invalid number 'x'", 1),
        ("stty sane", "", 0),
        ("echo one | cat", 'sh: syntax error: "|" is not supported here', 2),
        ("echo one > file", 'sh: syntax error: ">" is not supported here', 2),
        ("sleep 0 & echo started", "started", 0),
    ],
)
def test_commands(shell, command, output, status):
    result = shell.execute(command)
    assert (result.stdout, result.rc) == (output, status)


def test_comments_are_ignored(shell):
    assert said(shell, "echo one # two\n").splitlines()[1:] == ["one", "root@simboard:~# "]


@pytest.mark.parametrize("line", ["echo 'open", 'echo "open', "; echo", "echo ; ; echo"])
def test_a_line_that_cannot_be_read_has_status_2(shell, line):
    assert "sh: syntax error" in said(shell, f"{line}\n")
    assert said(shell, "echo $?\n").splitlines()[1] == "2"


def test_files_of_the_machine(shell):
    assert 'PRETTY_NAME="SimBoard 1.0.0"' in shell.execute("cat /etc/os-release").stdout
    up, idle = map(float, shell.execute("cat /proc/uptime").stdout.split())
    assert 0 < up < idle
    assert 40_000 < int(shell.execute("cat /sys/class/thermal/thermal_zone0/temp").stdout) < 60_000
    assert " up 0 min," in shell.execute("uptime").stdout
    assert shell.execute("cat /etc/hostname /proc/version").stdout.startswith("simboard\nLinux")


def test_dmesg_has_the_boot_log_and_later_lines(shell, module_board):
    module_board.call("kernel", "a later line")
    text = said(shell, "dmesg\n")
    assert "Linux version 6.12.0-board" in text
    assert "a later line" in text


def test_sleep_takes_fractions(shell):
    before = time.monotonic()
    shell.execute("sleep 0.2")
    assert 0.2 <= time.monotonic() - before < 2


def test_what_is_typed_is_echoed(shell):
    assert said(shell, "echo hello\r").startswith("echo hello\nhello\n")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_any_line_end_ends_one_line(shell, end):
    assert said(shell, f"echo hello{end}").count("# ") == 1


def test_echo_can_be_switched_off(shell):
    said(shell, "stty -echo\n")
    try:
        assert said(shell, "echo hello\n") == "hello\nroot@simboard:~# "
    finally:
        said(shell, "stty echo\n")
    assert said(shell, "true\n").startswith("true\n")


def test_backspace_and_erasing_the_line(shell):
    assert shell.transcript is not None
    assert "\nhello\n" in said(shell, b"echo helpx\x7f\x08lo\n")
    assert "\nü\n" in said(shell, "echo üä\x7f\n")
    assert "\nonly this\n" in said(shell, b"echo that\x15echo only this\n")


def test_arrow_keys_do_nothing(shell):
    assert "\nab\n" in said(shell, b"echo a\x1b[A\x1b[1;5D\x1bOHb\n")


def test_ctrl_c_interrupts_a_command(shell):
    mark = shell.mark()
    shell.write_line("sleep 30; echo never")
    time.sleep(0.1)
    shell.write(b"\x03")
    shell.wait_for_prompt("# $", timeout=2, since=mark)
    assert "^C\n" in shell.text(mark)
    assert "\nnever" not in shell.text(mark)
    assert said(shell, "echo $?\n").splitlines()[1] == "130"


def test_ctrl_c_interrupts_long_output(shell):
    mark = shell.mark()
    shell.write_line("seq 100000000")
    shell.wait_for_line("20000", timeout=5)
    shell.write(b"\x03")
    shell.wait_for_prompt("# $", timeout=5, since=mark)


def test_ctrl_c_throws_away_what_was_typed(shell):
    text = said(shell, b"echo never\x03")
    assert text == "echo never^C\nroot@simboard:~# "


def test_typing_ahead(shell):
    mark = shell.mark()
    shell.write("sleep 0.2\necho second\necho third\n")
    # What is typed ahead was echoed when it was typed, so what it prints follows the prompt.
    assert eventually(lambda: shell.text(mark).endswith("# second\nroot@simboard:~# third\nroot@simboard:~# "))


def test_cat_without_a_file_reads_the_console(shell):
    assert said(shell, "cat\nhello\n\x04").count("hello") == 2
