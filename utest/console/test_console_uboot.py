"""Reaching U-Boot's prompt, running commands and keeping variables, on a small imitation of it with the faults of real ones."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import anyio
import pytest

from JumpstarterLibrary.client import Device
from JumpstarterLibrary.client.console.patterns import Pattern
from JumpstarterLibrary.client.console.uboot import UBoot
from JumpstarterLibrary.client.console.watchers import Watcher
from JumpstarterLibrary.client.uboot import u_boot_of
from JumpstarterLibrary.drivers.console import SerialDriver
from JumpstarterLibrary.drivers.power import Power
from JumpstarterLibrary.errors import ConsoleError, ConsoleTimeoutError, ConsoleWatcherError, DriverError, UsageError
from JumpstarterLibrary.exporter import Driver, export, exportstream
from JumpstarterLibrary.exporter.composite import Composite

MARK = re.compile(r"; echo (JLE\w+):\$\?$")


class Loader(SerialDriver):
    """A boot loader; its faults are attributes that the tests set."""

    def __init__(self, **driver: Any) -> None:
        super().__init__(**driver)
        self.prompt = "=> "
        self.key = ""  # the only key that stops autoboot; any unless given
        self.longest = 400
        self.loses_first = 0  # in so many lines the first character gets lost
        self.keeps_backslashes = False
        self.knows_statuses = True
        self.only_while_on = False
        self.on_time = 0.05
        self.typed: list[str] = []
        self.environment = {"bootdelay": "2"}
        self._state = "off"
        self._line = ""
        self._escape = False
        self._at_begin = True
        self._status = 0

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        if self.only_while_on and self._state == "off":
            raise FileNotFoundError("no such port")
        async with super().connect() as stream:
            yield stream

    def say(self, text: str) -> None:
        self.uart.emit(text.replace("\n", "\r\n").encode())

    def switch(self, *, on: bool) -> None:
        self._state, self._line, self._escape = "booting" if on else "off", "", False
        if on:
            self.tasks.start(self.boot())
        elif self.only_while_on:
            self.uart.disconnect()

    async def boot(self) -> None:
        await anyio.sleep(self.on_time)
        self.say("\n\nU-Boot 2023.01 (imitation)\n\nDRAM:  256 MiB\n")
        self._state = "autoboot"
        for left in range(2, 0, -1):
            self.say(f"Hit any key to stop autoboot:  {left} \b\b\b")
            await anyio.sleep(0.25)
            if self._state != "autoboot":
                return
        self._state = "running"
        self.say("0 \nStarting kernel ...\n")

    async def take(self, data: bytes) -> None:
        for character in data.decode():
            if self._state == "autoboot" and character == (self.key or character):
                self._state = "prompt"
                self.say(f" 0 \n{self.prompt}")
            elif self._state == "prompt":
                self._take_character(character)

    def _take_character(self, character: str) -> None:
        if self._escape:  # what follows ESC is taken for a part of a sequence
            self._escape = False
            self.say(f"\x1b{character}")
        elif character == "\x1b":
            self._escape = True
        elif character == "\x03":
            self._line, self._at_begin = "", True
            self.say(f"<INTERRUPT>\n{self.prompt}")
        elif character in "\r\n":
            line, self._line, self._at_begin = self._line, "", True
            self.say("\n")
            self.typed.append(line)
            self._run(line)
        elif self.loses_first and self._at_begin:
            self.loses_first -= 1
            self._at_begin = False
        elif len(self._line) >= self.longest:
            self.say("\a")
        else:
            self._line += character
            self._at_begin = False
            self.say(character)

    def _run(self, line: str) -> None:
        mark = MARK.search(line)
        command = MARK.sub("", line)
        status = self._command(command.split(" #")[0])
        if status is None:
            return
        self._status = status if command else self._status
        if mark and " #" not in command:
            self.say(f"{mark[1]}:{self._status if self.knows_statuses else '$?'}\n")
        self.say(self.prompt)

    def _command(self, command: str) -> int | None:
        words = self._words(command)
        match words:
            case ["hang"]:
                return None
            case ["version"]:
                self.say("U-Boot 2023.01 (imitation)\n")
            case ["echo", mark] if mark.endswith(":$?"):
                self.say(f"{mark[:-2]}{self._status}\n")
                return self._status
            case ["echo", *rest]:
                self.say(" ".join(rest) + "\n")
            case ["false"]:
                return 1
            case ["printenv", name] if name in self.environment:
                self.say(f"{name}={self.environment[name]}\n")
            case ["printenv", name]:
                self.say(f'## Error: "{name}" not defined\n')
                return 1
            case ["setenv", "ethaddr", *_]:
                self.say('## Error: Can\'t overwrite "ethaddr"\n')
                return 1
            case ["setenv", name]:
                self.environment.pop(name, None)
            case ["setenv", name, value]:
                self.environment[name] = value
            case ["boot"]:
                self._state = "running"
                self.say("Starting kernel ...\n")
                return None
            case []:
                pass
            case _:
                self.say(f"Unknown command '{words[0]}' - try 'help'\n")
                return 1
        return 0

    def _words(self, command: str) -> list[str]:
        words = shlex.split(command)
        return words if self.keeps_backslashes else [re.sub(r"\\(.)", r"\1", word) for word in words]


class LoaderPower(Power):
    """The power of the loader."""

    def __init__(self, loader: Loader) -> None:
        super().__init__()
        self._loader = loader
        self.calls: list[str] = []

    @export
    async def on(self) -> None:
        self.calls.append("on")
        self._loader.switch(on=True)

    @export
    async def off(self) -> None:
        self.calls.append("off")
        self._loader.switch(on=False)


class UBootDriver(Driver):
    """As upstream's."""

    prompt = "\n=>"

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_uboot.client.UbootConsoleClient"

    @export
    def get_prompt(self) -> str:
        return self.prompt


class Bench:
    """The imitation and everything around it."""

    def __init__(self, serve: Callable[..., Device]) -> None:
        self.loader = Loader()
        self.power = LoaderPower(self.loader)
        self.driver = UBootDriver(children={"power": self.power, "serial": self.loader})
        self.device = serve(Composite(children={"serial": self.loader, "uboot": self.driver, "other": LoaderPower(Loader())}))
        self.open()

    def open(self, **options: Any) -> None:
        self.console = self.device.serial.open_console(**options)
        self.console.configure(settle=timedelta(milliseconds=30))
        self.u_boot = UBoot(self.console)

    def boot(self, **options: Any) -> float:
        return self.u_boot.boot(self.device.uboot.power.on, **{"timeout": 3, **options})


@pytest.fixture
def bench(serve: Callable[..., Device]) -> Bench:
    return Bench(serve)


@pytest.fixture
def booted(bench: Bench) -> Bench:
    bench.boot()
    return bench


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The deadline of every keyword: what it was given, and one second."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds + 1.0


# --------------------------------------------------------------------------------- reaching the prompt


def test_autoboot_is_stopped_and_a_fresh_prompt_stands_there(bench: Bench) -> None:
    bench.boot()
    assert bench.console.transcript.open_line == "=> "
    assert "Starting kernel" not in bench.console.text()
    assert bench.loader.typed == [], "no key has become a command"


@pytest.mark.parametrize("key", ["\x1b", " ", "\x03", "stop", "\n"])
def test_whatever_the_key_is_its_echo_does_not_hide_the_prompt(bench: Bench, key: str) -> None:
    bench.loader.key = key[0]
    bench.boot(key=key)
    assert bench.u_boot.execute("echo ready").stdout == "ready"


def test_a_failure_shows_what_the_device_said_and_keeps_the_deadline(bench: Bench) -> None:
    bench.loader.key = "x"
    with within(1), pytest.raises(ConsoleTimeoutError) as failure:
        bench.boot(timeout=1)
    first, rest = str(failure.value).split("\n", 1)
    assert re.match(r"Console 'serial' of 'bench': no U-Boot prompt regex '=> \?\$' within 1 s", first)
    assert "Starting kernel ..." in rest
    assert len(str(failure.value)) < 4000


def test_the_prompt_of_the_boot_before_does_not_count(booted: Bench) -> None:
    booted.loader.key = "x"
    with pytest.raises(ConsoleTimeoutError):
        booted.boot(timeout=1)


def test_a_prompt_in_what_the_loader_prints_does_not_count(bench: Bench) -> None:
    bench.loader.boot = lambda: _says_prompt_first(bench.loader, Loader.boot)
    bench.boot()
    assert bench.u_boot.execute("echo ready").stdout == "ready"


async def _says_prompt_first(loader: Loader, boot: Callable[..., Any]) -> None:
    loader.say("SPL => ")
    await anyio.sleep(0.5)
    await boot(loader)


def test_a_watcher_stops_it(bench: Bench) -> None:
    bench.console.watchers.add(Watcher(Pattern("DRAM:  256"), "too little memory"))
    with pytest.raises(ConsoleWatcherError, match="too little memory"):
        bench.boot()


def test_a_console_that_is_there_only_while_the_device_is_on(bench: Bench) -> None:
    bench.console.close()
    bench.loader.only_while_on = True
    with pytest.raises(DriverError, match=r"no such port.*switch it on first, or open the console with connect_later=True"):
        bench.open()
    bench.open(connect_later=True)
    assert not bench.console.connected
    bench.loader.on_time = 0.3
    bench.boot()
    assert "DRAM:" in bench.console.text()

    bench.device.uboot.power.off()
    bench.boot()
    assert bench.console.text("power on").count("DRAM:") == 1
    assert bench.u_boot.execute("echo ready").stdout == "ready"


def test_a_console_that_never_comes_is_named_in_the_first_line(bench: Bench) -> None:
    bench.console.close()
    bench.loader.only_while_on = True
    bench.open(connect_later=True)
    with (
        within(0.5),
        pytest.raises(ConsoleTimeoutError, match=r"\A.*, and the stream is not open \(.*no such port"),
    ):
        bench.u_boot.boot(lambda: None, timeout=0.5)


def test_the_same_console_at_another_path_is_the_same_console(bench: Bench) -> None:
    assert bench.device.uboot.serial.open_console() is bench.console


def test_upstreams_driver_knows_the_prompt_and_the_power(bench: Bench) -> None:
    driver = u_boot_of(bench.device, "serial")
    assert driver is not None
    assert re.search(driver.prompt(), "=> ")
    assert driver.power is bench.device.driver("uboot.power")
    assert u_boot_of(bench.device, "other") is None


def test_the_prompt_is_text_and_no_expression(bench: Bench) -> None:
    bench.loader.prompt, bench.driver.prompt = "[u-boot]$ ", "\n[u-boot]$"
    bench.u_boot = UBoot(bench.console, bench.device.uboot.prompt())
    bench.boot()
    assert bench.u_boot.execute("echo ready").stdout == "ready"


# -------------------------------------------------------------------------------------------- commands


def test_output_is_without_echo_mark_and_prompt(booted: Bench) -> None:
    result = booted.u_boot.execute("  echo one two  ")
    assert (result.stdout, result.rc, result.command) == ("one two", 0, "echo one two")
    assert booted.u_boot.execute("false").rc == 1
    assert booted.u_boot.execute("nosuch").stdout == "Unknown command 'nosuch' - try 'help'"


def test_a_comment_does_not_hide_the_exit_status(booted: Bench) -> None:
    result = booted.u_boot.execute("echo seen # and not this")
    assert (result.stdout, result.rc) == ("seen", 0)
    assert booted.u_boot.execute("false # this fails").rc == 1


def test_a_line_that_is_too_long_runs_nothing(booted: Bench) -> None:
    with pytest.raises(ConsoleError, match=r"did not take the line 'echo x+…' \(\d+ characters\) as it is, so nothing was run"):
        booted.u_boot.execute("echo " + "x" * 500)
    assert booted.loader.typed == []
    assert booted.u_boot.execute("echo ready").stdout == "ready"


def test_a_character_that_got_lost_is_typed_again(booted: Bench) -> None:
    booted.loader.loses_first = 1
    assert booted.u_boot.execute("echo ready").stdout == "ready"
    assert all(line.startswith("echo ready") for line in booted.loader.typed)


def test_characters_that_always_get_lost_run_nothing(booted: Bench) -> None:
    booted.loader.loses_first = 100
    with pytest.raises(
        ConsoleError, match=r"the line 'echo ready' as it is.*nothing was run.*'=> cho ready'.*char_delay="
    ) as failure:
        booted.u_boot.execute("echo ready")
    assert "JLE" not in str(failure.value)
    assert booted.loader.typed == []


def test_a_command_without_end_keeps_the_deadline_and_is_interrupted(booted: Bench) -> None:
    with within(0.5), pytest.raises(ConsoleTimeoutError, match=r"\A.*: U-Boot's 'hang' did not end within 500 ms"):
        booted.u_boot.execute("hang", timeout=0.5)
    assert booted.console.transcript.open_line == "=> "
    assert booted.u_boot.execute("echo ready", timeout=2).stdout == "ready"


def test_an_interrupt_from_outside_leaves_a_usable_loader(booted: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(UBoot, "_status", interrupted)
        with pytest.raises(KeyboardInterrupt):
            booted.u_boot.execute("hang")
    assert booted.u_boot.execute("echo ready").stdout == "ready"


def test_without_a_prompt_the_first_line_says_so(bench: Bench) -> None:
    with within(1), pytest.raises(ConsoleTimeoutError, match=r"\A.*no U-Boot prompt .*, and none came for Ctrl-C,"):
        bench.u_boot.execute("version", timeout=1)


def test_a_prompt_that_was_said_before_the_console_was_opened_is_asked_for(booted: Bench) -> None:
    booted.console.close()
    booted.open()
    assert booted.u_boot.execute("echo ready").stdout == "ready"


def test_a_command_line_without_exit_statuses_says_so(booted: Bench) -> None:
    booted.loader.knows_statuses = False
    with pytest.raises(ConsoleError, match="does not know exit statuses"):
        booted.u_boot.execute("version")


@pytest.mark.parametrize("command", ["", "  ", "one\ntwo", "print\tenv", "\x1b[A"])
def test_what_is_no_line_is_refused_before_anything_is_sent(bench: Bench, command: str) -> None:
    with pytest.raises(UsageError):
        bench.u_boot.execute(command)


# ------------------------------------------------------------------------------------------- variables


VALUES = ["plain", " a  b ", "it's", "'", 'say "hi"', "$a;b&c", "# no", "a\\b", "\\\\", "\\'", "end\\", "ä€"]


@pytest.mark.parametrize("keeps_backslashes", [False, True])
def test_a_variable_is_what_it_was_set_to(booted: Bench, keeps_backslashes: bool) -> None:
    booted.loader.keeps_backslashes = keeps_backslashes
    for value in VALUES:
        booted.u_boot.set("greeting", value)
        assert booted.loader.environment["greeting"] == value
        assert booted.u_boot.get("greeting") == value


def test_setting_a_variable_gives_what_it_was(booted: Bench) -> None:
    assert booted.u_boot.set("bootdelay", "5") == "2"
    assert booted.u_boot.set("bootdelay", None) == "5"
    assert booted.u_boot.get("bootdelay") is None
    assert booted.u_boot.set("bootdelay", "2") is None
    assert booted.loader.environment == {"bootdelay": "2"}


def test_a_variable_of_several_lines_is_read_as_a_whole(booted: Bench) -> None:
    booted.loader.environment["lines"] = "one\n=> two\n"
    assert booted.u_boot.get("lines") == "one\n=> two\n"


def test_a_variable_that_cannot_be_set_says_why(booted: Bench) -> None:
    with pytest.raises(ConsoleError, match=r"'setenv ethaddr .*' ended with exit status 1 .*Can't overwrite"):
        booted.u_boot.set("ethaddr", "02:00:00:00:00:02")


@pytest.mark.parametrize("name", ["", "-a", "a b", "a;b", "$a", "a\nb"])
def test_what_is_no_name_is_refused(bench: Bench, name: str) -> None:
    for act in (lambda: bench.u_boot.get(name), lambda: bench.u_boot.set(name, "x")):
        with pytest.raises(UsageError, match="no name"):
            act()


# --------------------------------------------------------------------------------------------- leaving


def test_leaving_does_not_wait_but_misses_nothing(booted: Bench) -> None:
    booted.u_boot.leave()
    assert booted.console.wait_for_line("Starting kernel", timeout=2).line == "Starting kernel ..."
