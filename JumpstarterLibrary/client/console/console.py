"""A console: everything that the device says is kept, and waits look at it from their own place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import SessionClosedError, UsageError
from ...journal import ConsoleClosed, ConsoleGap, ConsoleOpened, ConsoleSent
from ...wire.deadline import Deadline, Timeout, in_words, seconds
from ...wire.secrets import is_secret
from ..failures import Act
from .commands import LOGIN_PROMPT, PASSWORD_PROMPT, Login, Shell
from .explain import explain_timeout
from .files import ConsoleFiles
from .masking import TextMask
from .options import ConsoleOptions
from .reader import ConsoleReader
from .result import CommandResult
from .text import LineReader
from .transcript import Mark, Transcript
from .waiting import ConsoleWaits
from .watchers import Watchers

if TYPE_CHECKING:
    from ..driver import DriverClient

LONGEST_SHOWN = 200
"""Characters of what is sent that the journal keeps."""
PIECE = 1024 * 1024
"""Bytes of the console's file that are read at once."""
LONGEST_LOOKED_AT = 10_000
"""Bytes of what is sent that are searched for secrets; more than are ever shown."""


class Console(ConsoleWaits):
    """A device's console.

    Args:
        client: the driver with the byte stream.
        options: how to read and write.
        files: where the output is written to; nowhere unless given.
        method: the stream's method on the driver.
        connect_later: whether the console may be opened although the driver cannot open the stream yet.

    Raises:
        JumpstarterError: the driver cannot open the stream.
    """

    def __init__(
        self,
        client: DriverClient,
        options: ConsoleOptions | None = None,
        files: ConsoleFiles | None = None,
        method: str = "connect",
        *,
        connect_later: bool = False,
    ) -> None:
        self.device = client.device
        self.path = client.path
        self.name = client.path or client.device.name
        self.options = options or ConsoleOptions()
        self.transcript = Transcript()
        self.watchers = Watchers()
        self.marks: dict[str, Mark] = {"session start": self.transcript.mark()}
        self.comes_and_goes = connect_later
        self._files = files
        self._closed = False
        self.shell = Shell(self)
        act = Act(self.device.name, client.path, method)
        timeout = self.device.timeout_seconds
        self.uuid = client.node.uuid
        opened = None
        try:
            opened = self._reader = ConsoleReader(
                self.device.connection, act, self.uuid, timeout, self.transcript, self._arrived, connect_later=connect_later
            )
            self.device.journal.append(ConsoleOpened(console=self.name))
        except BaseException:  # also Robot's timeout and Ctrl-C
            if opened is not None:
                opened.close()
            raise

    def close(self) -> None:
        """Ends the reader and the stream. What was said can still be looked at."""
        if not self._closed:
            self._closed = True
            self.transcript.wake()
            self._reader.close()
            if self._files is not None:
                self._files.close()
            self.device.journal.append(ConsoleClosed(console=self.name, received=self.transcript.bytes_received))

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def connected(self) -> bool:
        """Whether the stream is open now."""
        return self._reader.connected

    def configure(self, **changes: object) -> ConsoleOptions:
        """Changes options; returns those before."""
        before = self.options
        self.options = replace(before, **changes)  # type: ignore[arg-type]  # the callers name the fields
        return before

    def _arrived(self, data: bytes, broken: str) -> None:
        """Takes a chunk, or the news that the stream broke, in the reader's thread.

        The file comes first, and outside the lock: it has what a wait has seen, and a slow disk holds up no wait.
        """
        if self._files is not None:
            self._files.write(data)
        with self.transcript.changed:  # nobody sees the data before the watchers have looked at it
            finished = self.transcript.add_gap(broken) if broken else self.transcript.append(data)
            self.watchers.look(finished, self.transcript)
        if broken:
            self.device.journal.append(ConsoleGap(console=self.name, reason=broken))

    # ------------------------------------------------------------------- places

    def mark(self, name: str = "") -> Mark:
        """Remembers the present end of the output, under a name if one is given; `since` takes both."""
        mark = self.transcript.mark()
        if name:
            self.marks[name] = mark
        return mark

    def switched_on(self) -> None:
        """The device is about to be switched on: remembers the place, and tries at once to open a broken stream."""
        self.mark("power on")
        self.watchers.new_boot()
        self._reader.retry_now()

    def is_switched_on(self) -> None:
        """The device is on: tries at once to open a stream that is there only now."""
        self._reader.retry_now()

    def start_test(self, name: str) -> None:
        """A test begins: remembers the place, and writes a file of the test's own."""
        self.mark("test start")
        self.watchers.new_test()
        if self._files is not None and not self._closed:
            self._files.start_test(name)

    def end_test(self) -> None:
        """A test ends, and with it its file."""
        if self._files is not None and not self._closed:
            self._files.end_test()

    def place(self, since: str | Mark) -> Mark:
        """Returns the place that a name stands for: `last match`, `now`, `test start`, `power on`, `session start`, or a mark.

        Raises:
            UsageError: there is no such mark; the message lists the known ones.
        """
        if isinstance(since, Mark):
            return since
        if since == "last match":
            return Mark(self._text_cursor, self._raw_cursor, time.monotonic())
        if since == "now":
            return self.transcript.mark()
        if since in self.marks:
            return self.marks[since]
        if since in ("test start", "power on"):
            return self.marks["session start"]
        known = ", ".join(f"'{name}'" for name in ("last match", "now", *self.marks))
        raise UsageError(f"Console '{self.name}' has no mark '{since}'; there are {known}.")

    def text(self, since: str | Mark = "session start") -> str:
        """Returns what the device said since a place, as text."""
        return self.transcript.text(self.place(since).text)

    def raw(self, since: str | Mark = "session start") -> bytes:
        """Returns what the device said since a place, as bytes, as far as it is still in memory."""
        return self.transcript.raw(self.place(since).raw)

    def output(self, since: str | Mark = "session start") -> Iterator[str]:
        """Gives what the device said since a place, as text in pieces with secrets masked; from the console's file, where it has
        left memory.

        Raises:
            UsageError: it has left memory, and there is no file.
        """
        place, mask = self.place(since), TextMask(self.device.connection.redact.known)
        lost = self.transcript.lost_before - place.text
        if lost <= 0:
            yield mask(self.transcript.text(place.text))
            return
        begin = self._files.place(place.raw) if self._files is not None else None
        if self._files is None or begin is None or self._files.error is not None or since == "last match":
            error = self._files.error if self._files is not None else "there is no file of it"
            reason = f"Nobody has them: {error or 'their place in the file is not known'}."
            raise UsageError(
                f"{self.title} has said so much since '{since}' that {lost} characters have left memory. "
                f"{'Give since= a mark.' if since == 'last match' else reason}"
            )
        lines = LineReader()
        with self._files.path.open("rb") as file:
            file.seek(begin)
            while data := file.read(PIECE):
                yield lines.feed(data)
        yield lines.open_line

    # ------------------------------------------------------------------ writing

    def write(self, data: str | bytes, *, char_delay: Timeout | None = None, timeout: Timeout | Deadline | None = None) -> None:
        """Sends text or bytes as they are.

        Args:
            data: what to send.
            char_delay: pause between characters; the console's unless given.
            timeout: how long sending may take; the device's timeout unless given.

        Raises:
            InfrastructureError: the stream is not open, or takes nothing.
            UsageError: the pauses alone take longer; nothing was sent.
        """
        self._check_open()
        deadline = self.deadline(timeout)
        pause = seconds(self.options.char_delay if char_delay is None else char_delay)
        raw = data.encode(self.options.encoding) if isinstance(data, str) else bytes(data)
        if pause:
            self._send_slowly(raw, pause, deadline)
        else:
            self._reader.send(raw, deadline.remaining)
        shown = self.device.connection.redact(repr(raw[:LONGEST_LOOKED_AT])[1:])
        self.device.journal.append(ConsoleSent(console=self.name, text=shown[:LONGEST_SHOWN]))

    def _send_slowly(self, raw: bytes, pause: float, deadline: Deadline) -> None:
        if len(raw) * pause > deadline.remaining:
            raise UsageError(
                f"Sending {len(raw)} characters to console '{self.name}' of '{self.device.name}' with {in_words(pause)} "
                f"between them takes {in_words(len(raw) * pause)}, longer than the timeout of {in_words(deadline.total)}. "
                "Nothing was sent."
            )
        for index in range(len(raw)):
            self._reader.send(raw[index : index + 1], deadline.remaining)
            deadline.sleep(pause)
            self.check()

    def write_line(
        self,
        text: str = "",
        *,
        char_delay: Timeout | None = None,
        expect_echo: bool | None = None,
        timeout: Timeout | Deadline | None = None,
    ) -> None:
        """Sends a line, with the console's line end, and waits for its echo if that is expected.

        Raises:
            ConsoleTimeoutError: the echo did not come.
        """
        before, deadline = self.transcript.mark(), self.deadline(timeout)
        self.write(text + self.options.newline, char_delay=char_delay, timeout=deadline)
        if (self.options.expect_echo if expect_echo is None else expect_echo) and text:
            self.wait_for_line(text, since=before, timeout=deadline)

    # ----------------------------------------------------------------- dialogues

    def execute(self, command: str, *, timeout: Timeout | Deadline | None = None) -> CommandResult:
        """Runs a shell command and returns what it printed, and its exit status; see `Shell.execute`."""
        return self.shell.execute(command, timeout=timeout)

    def login(
        self,
        username: str,
        password: str | None = None,
        *,
        login_prompt: str = LOGIN_PROMPT,
        password_prompt: str = PASSWORD_PROMPT,
        prompt: str | None = None,
        timeout: Timeout | Deadline | None = None,
    ) -> None:
        """Logs in; does nothing if a shell is there already.

        Args:
            username: who.
            password: masked wherever it turns up, unless it is the user's name or very short, and so no secret.
            login_prompt: regular expression for the prompt that asks who.
            password_prompt: regular expression for the prompt that asks for the password.
            prompt: regular expression for the shell's prompt; the console's unless given.
            timeout: the device's unless given.

        Raises:
            ConsoleError: the device refused, or asked for a password where none is known.
            ConsoleTimeoutError: no prompt came.
        """
        if password is not None and is_secret(username, password):
            self.device.connection.redact.add(password)
        Login(self, login_prompt, password_prompt, prompt or self.options.prompt).log_in(username, password, timeout)

    @property
    def log_file(self) -> str:
        """Path of the file with the complete output; empty if there is none."""
        return str(self._files.path) if self._files is not None else ""

    @property
    def problem(self) -> str:
        """Why the stream is not open now; empty if it is."""
        return "" if self._reader.connected else str(self._reader.problem or "the stream is being opened")

    def _check_open(self) -> None:
        if self._closed:
            raise SessionClosedError(f"Console '{self.name}' of '{self.device.name}' was closed.")

    def _explain(self, missing: str, length: str, waited: float, start: int | None) -> str:
        return explain_timeout(self, missing, length, waited, start)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "connected" if self.connected else "broken"
        return f"<Console {self.device.name}:{self.name} {state}>"
