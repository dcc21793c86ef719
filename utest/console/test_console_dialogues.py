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
from JumpstarterLibrary.journal import PowerSwitched

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
        answers = {"root": ["\r\nPassword: "], "secret": ["\r\n# "]}
        console, driver = scripted(lambda line: answers.get(line, []))
        say(console, "Loading: ####")
        threading.Timer(0.6, say, [console, "####\r\nbench login: "]).start()
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

    def test_a_shell_that_ends_is_an_error_at_once(self, scripted):
        prompt = "bench login: "

        def answer(line: str) -> list[str | float]:
            if framed := re.match(r'echo "JL""B(\w+):', line):
                return [f"{line}\r\nJLB{framed[1]}:JLB{framed[1]}:\r\nlogout\r\n\r\n{prompt}"]
            return [f"{line}\r\n{prompt}"]

        console, driver = scripted(answer)
        say(console, "# ")
        console.wait_for_prompt(timeout=5)
        begin = time.monotonic()
        with pytest.raises(ConsoleError, match=r"^'exit 3' on console .* the shell has ended, .* login: 'bench login:"):
            console.execute("exit 3", timeout=30)
        assert time.monotonic() - begin < 15
        typed = len(driver.lines)
        with pytest.raises(ConsoleError, match=r"was not run: nobody is logged in, .*'bench login:"):
            console.execute("true", timeout=30)
        assert len(driver.lines) == typed

    def test_a_shell_that_ends_without_any_sign_of_the_command_is_an_error_at_once(self, scripted):
        console, _ = scripted(lambda line: [f"{line}\r\n\r\nbench login: "])
        say(console, "# ")
        console.wait_for_prompt(timeout=5)
        with pytest.raises(ConsoleError, match="the shell has ended"):
            console.execute("true", timeout=30)

    def test_a_command_that_prints_what_looks_like_a_login_prompt_goes_on(self, scripted):
        def answer(line: str) -> list[str | float]:
            if framed := re.match(r'echo "JL""B(\w+):', line):
                mark = framed[1]
                return [f"{line}\r\nJLB{mark}:JLB{mark}:\r\nfake login: ", 2.5, "done\r\n", *end_mark(mark, "7", "\r\n"), "# "]
            return ["\r\n"] if not line else [f"{line}\r\n# "]

        console, _ = scripted(answer)
        say(console, "# ")
        console.wait_for_prompt(timeout=5)
        result = console.execute("anything", timeout=30)
        assert result.rc == 7
        assert result.stdout.startswith("fake login:")
        assert result.stdout.endswith("done")

    @pytest.mark.parametrize("length", [65_535, 65_536, 65_530, 131_072 - 14, 1_048_576])
    @pytest.mark.parametrize("end", ["", "\r\n"])
    def test_a_very_long_line_is_one_line(self, scripted, length, end):
        assert self.run(scripted, "x" * length + end).stdout == "x" * length

    @pytest.mark.parametrize("torn", range(1, 15))
    def test_the_kernel_may_tear_either_of_the_marks_that_are_typed(self, scripted, torn):
        """The device prints what is typed, so this fails if the marks are not typed twice."""

        def answer(line: str) -> list[str | float]:
            if not (framed := re.fullmatch(r"echo (\S+); eval '.*'; echo (\S+)", line)):
                return [f"{line}\r\n# "]
            begin, end = (part.replace('"', "").replace("$?", "0") for part in framed.groups())
            kernel = "[  100.000000] eth0: link up\r\n"
            said = f"{begin[:torn]}{kernel}{begin[torn:]}\r\nout\r\n{end[:torn]}{kernel}{end[torn:]}\r\n# "
            return [f"{line}\r\n", said]

        console, _ = scripted(answer)
        say(console, "# ")
        console.wait_for_prompt(timeout=5)
        result = console.execute("anything", timeout=5)
        assert result.rc == 0
        assert result.stdout.endswith("out")
        assert "JLE" not in result.stdout

    def test_marks_are_not_seen_in_messages_and_journal(self, scripted):
        def answer(line: str) -> list[str | float]:
            if framed := re.match(r'echo "JL""B(\w+):', line):
                return [f"{line}\r\nJLB{framed[1]}:JLB{framed[1]}:\r\n"]
            return []

        console, _ = scripted(answer)
        say(console, "# ")
        console.wait_for_prompt(timeout=5)
        with pytest.raises(ConsoleTimeoutError) as failure:
            console.execute("anything", timeout=0.5)
        with pytest.raises(ConsoleTimeoutError) as again:
            console.execute("another", timeout=0.5)
        assert "'anything' on console" in str(failure.value)
        assert "no exit status within" in str(failure.value)
        for text in (str(failure.value), str(again.value), console.last_line, *map(repr, console.device.journal.events())):
            assert not re.search('JL("")?[BER]', text), text

    def test_a_command_that_did_not_start_shows_no_marks(self, scripted):
        console, _ = scripted(lambda line: [f"{line}"])
        say(console, "# ")
        console.wait_for_prompt(timeout=5)
        with pytest.raises(ConsoleTimeoutError, match=r"did not start: .* the open line is '# anything'") as failure:
            console.execute("anything", timeout=0.5)
        assert not re.search('JL("")?[BER]', str(failure.value))


class TestPowerOnAgain:
    """A board that is on already shows its prompt from before, and nothing new."""

    def power_on(self, console: Console) -> None:
        console.device.switching_on()
        console.device.is_switched_on()

    def test_the_login_prompt_that_stands_there_is_brought_again(self, scripted):
        said = {"": ["\r\nbench login: "], "root": ["\r\nPassword: "], "secret": ["\r\n# "]}
        console, driver = scripted(lambda line: said[line])
        say(console, "bench login: ")
        console.wait_for_prompt("login: $", timeout=5)
        self.power_on(console)
        console.login("root", "secret", timeout=20)
        assert driver.lines == ["", "root", "secret"]

    def test_so_is_the_prompt_of_a_shell(self, scripted):
        answer = shell()
        console, driver = scripted(lambda line: answer(line) if line else ["\r\n# "])
        say(console, "# ")
        console.wait_for_prompt(timeout=5)
        self.power_on(console)
        console.login("root", "secret", timeout=20)
        assert driver.lines[0] == ""
        assert len(driver.lines) == 2

    def test_nothing_is_typed_on_a_device_that_was_off_in_between(self, scripted):
        said = {"root": ["\r\nPassword: "], "secret": ["\r\n# "]}
        console, driver = scripted(lambda line: said[line])
        say(console, "bench login: ")
        console.wait_for_prompt("login: $", timeout=5)
        console.device.journal.append(PowerSwitched(driver="power", state="off"))
        self.power_on(console)
        threading.Timer(2.5, say, [console, "\r\nbooting\r\nbench login: "]).start()
        console.login("root", "secret", timeout=20)
        assert driver.lines == ["root", "secret"]
