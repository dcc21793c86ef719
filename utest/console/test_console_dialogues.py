"""Logging in and running commands while the device says things that look like something else."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

import pytest
from console_support import open_console

from JumpstarterLibrary.client.console import Console
from JumpstarterLibrary.drivers.console import MockConsole
from JumpstarterLibrary.errors import ConsoleError, ConsoleTimeoutError

NEWLINE = b"\n"


class Scripted(MockConsole):
    """A device whose answers a test writes in Python: a function from a line to what is said, with pauses between pieces."""

    def __init__(self, answer: Callable[[str], list[str | float]], **driver: object) -> None:
        super().__init__(loopback=False, **driver)
        self.lines: list[str] = []
        self._answer, self._typed = answer, b""

    async def take(self, data: bytes) -> None:
        self._typed += data
        while NEWLINE in self._typed:
            line, _, self._typed = self._typed.partition(NEWLINE)
            self.lines.append(line.decode())
            self.tasks.start(self._say_slowly(self._answer(line.decode())))

    async def _say_slowly(self, pieces: list[str | float]) -> None:
        import anyio

        for piece in pieces:
            if isinstance(piece, str):
                await self._say(piece.encode())
            else:
                await anyio.sleep(piece)


@pytest.fixture
def scripted(serve) -> Callable[[Callable[[str], list[str | float]]], tuple[Console, Scripted]]:
    def start(answer):
        driver = Scripted(answer)
        return open_console(serve(driver)), driver

    return start


def shell(output: str = "", rc: str = "0", end: str = "\r\n") -> Callable[[str], list[str | float]]:
    """Answers framed commands, and the question whether it is a shell."""

    def answer(line: str) -> list[str | float]:
        if asked := re.fullmatch(r'echo "JL""R\$\{PPID\}x(\w+)"', line):
            return [f"{line}\r\nJLR42x{asked[1]}\r\n# "]
        if framed := re.match(r'echo "JL""B(\w+):', line):
            mark = framed[1]
            return [f"{line}\r\nJLB{mark}:JLB{mark}:\r\n{output}", *end_mark(mark, rc, end), "# "]
        return [f"{line}\r\n# "]

    return answer


def end_mark(mark: str, rc: str, end: str) -> list[str | float]:
    whole = f"JLE{mark}:{rc}:JLE{mark}:{rc}:{end}"
    return [whole]


def say(console: Console, text: str) -> None:
    console.device.root.call("send", text)


class TestLogin:
    def test_a_shell_that_is_there_is_asked_and_left_alone(self, scripted):
        console, driver = scripted(shell())
        say(console, "# ")
        console.login("root", "secret", timeout=10)
        assert len(driver.lines) == 1
        assert console.execute("true", timeout=5).rc == 0

    def test_a_progress_bar_is_no_shell(self, scripted):
        console, driver = scripted(lambda line: [])
        say(console, "Loading: ####")
        threading.Timer(0.6, say, [console, "####\r\nbench login: "]).start()
        threading.Timer(1.2, say, [console, "\r\nPassword: "]).start()
        threading.Timer(1.8, say, [console, "\r\n# "]).start()
        console.login("root", "secret", timeout=20)
        assert driver.lines == ["root", "secret"]

    def test_a_boot_loader_is_no_shell(self, scripted):
        console, driver = scripted(lambda line: [line, "\r\n", re.sub(r'echo |"|[$][{]PPID[}]', "", line), "\r\n=> "])
        say(console, "=> ")
        with pytest.raises(ConsoleTimeoutError, match="neither login prompt"):
            console.login("root", "secret", timeout=6)
        assert "secret" not in driver.lines

    @pytest.mark.parametrize("prompt", ["bench login: ", "Password: ", "# "])
    def test_a_kernel_line_behind_a_prompt(self, scripted, prompt):
        steps = {"bench login: ": "root", "Password: ": "secret", "# ": None}

        def answer(line: str) -> list[str | float]:
            shown = {"root": "Password: ", "secret": "# "}[line]
            kernel = "[   12.345678] eth0: link up\r\n" if shown == prompt else ""
            return ["\r\n", shown, kernel]

        console, driver = scripted(answer)
        say(console, "bench login: " + ("[   12.345678] eth0: link up\r\n" if prompt == "bench login: " else ""))
        console.login("root", "secret", timeout=20)
        assert driver.lines[-1] == "secret"
        assert prompt in steps

    def test_the_last_login_is_no_question(self, scripted):
        said = {"root": ["\r\nPassword: "], "secret": ["\r\nLast login: ", 0.4, "Thu Jan  1 on ttyS0\r\n# "]}
        console, driver = scripted(lambda line: said[line])
        say(console, "bench login: ")
        console.login("root", "secret", timeout=20)
        assert driver.lines == ["root", "secret"]

    def test_a_greeting_with_the_words_of_a_refusal_is_none(self, scripted):
        said = {"root": ["\r\nPassword: "], "secret": ["\r\nPermission denied to those who have none.\r\n# "]}
        console, driver = scripted(lambda line: said[line])
        say(console, "bench login: ")
        console.login("root", "secret", timeout=20)
        assert driver.lines == ["root", "secret"]

    def test_a_refusal_says_why(self, scripted):
        said = {"root": ["\r\nPassword: "], "secret": ["\r\nLogin incorrect\r\nbench login: "]}
        console, _ = scripted(lambda line: said[line])
        say(console, "bench login: ")
        with pytest.raises(ConsoleError, match="was refused: the device says 'Login incorrect'"):
            console.login("root", "secret", timeout=20)


class TestExecute:
    def run(self, scripted, *arguments, before: str = "", **options):
        console, _ = scripted(shell(*arguments, **options))
        say(console, f"{before}# ")
        console.wait_for_prompt(timeout=5)
        return console.execute("anything", timeout=5)

    def test_an_exit_status_that_comes_in_pieces(self, scripted, monkeypatch):
        monkeypatch.setitem(globals(), "end_mark", lambda mark, rc, end: [f"JLE{mark}:1", 0.4, f"27:JLE{mark}:127:\r\n"])
        assert self.run(scripted, "out\r\n", "127").rc == 127

    def test_a_kernel_line_in_the_exit_status(self, scripted, monkeypatch):
        kernel = "[  100.000000] eth0: link up\r\n"
        monkeypatch.setitem(globals(), "end_mark", lambda mark, rc, end: [f"JLE{mark}:1{kernel}27:JLE{mark}:127:\r\n"])
        assert self.run(scripted, "out\r\n", "127").rc == 127

    def test_a_kernel_line_in_the_mark_itself(self, scripted, monkeypatch):
        kernel = "[  100.000000] eth0: link up\r\n"
        monkeypatch.setitem(globals(), "end_mark", lambda mark, rc, end: [f"JLE{mark[:3]}{kernel}{mark[3:]}:0:JLE{mark}:0:\r\n"])
        assert self.run(scripted, "out\r\n").rc == 0

    def test_what_a_quiet_kernel_has_in_its_log_is_output(self, scripted):
        log = "[    9.345678] error that was never on the console\r\n"
        result = self.run(scripted, log, before="[    5.000000] the last line that was\r\n")
        assert result.stdout == log.strip()
        assert result.noise == ""

    def test_what_the_kernel_says_meanwhile_is_noise(self, scripted):
        now = time.monotonic()
        console, _ = scripted(shell("one\r\n[   50.300000] usb 1-1: new device\r\ntwo\r\n"))
        say(console, "[   50.000000] eth0: link up\r\n# ")
        console.wait_for_prompt(timeout=5)
        result = console.execute("anything", timeout=5)
        assert time.monotonic() - now < 1.5, "too slow to tell"
        assert (result.stdout, result.noise) == ("one\ntwo", "[   50.300000] usb 1-1: new device")

    def test_more_output_than_stays_in_memory_is_complete_or_an_error(self, serve, tmp_path):
        size = 1_200_000
        driver = Scripted(shell("0123456789\r\n" * size))
        device = serve(driver)
        device.files = tmp_path
        console = open_console(device)
        say(console, "# ")
        console.wait_for_prompt(timeout=5)
        assert len(console.execute("anything", timeout=60).stdout) == 11 * size - 1

    def test_a_shell_that_ends_is_named(self, scripted):
        console, _ = scripted(lambda line: [f"{line}\r\nlogout\r\n\r\nbench login: "])
        say(console, "# ")
        console.wait_for_prompt(timeout=5)
        with pytest.raises(ConsoleTimeoutError, match="did not start"):
            console.execute("exit 3", timeout=1)
