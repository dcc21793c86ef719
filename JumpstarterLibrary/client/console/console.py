"""A console: everything that the device says is kept, and waits look at it from their own place."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import SessionClosedError, UsageError
from ...journal import ConsoleClosed, ConsoleGap, ConsoleOpened, ConsoleSent
from ...wire.deadline import Deadline, Timeout, in_words, seconds
from ...wire.secrets import is_secret
from ..failures import Act
from .commands import Shell
from .explain import explain_timeout
from .files import ConsoleFiles
from .framing import without_frames
from .login import LOGIN_PROMPT, PASSWORD_PROMPT, Login
from .masking import TextMask
from .options import ConsoleOptions
from .reader import ConsoleReader
from .recording import Recorder
from .result import CommandResult
from .text import LineReader, whole_lines
from .transcript import Mark, Transcript
from .waiting import ConsoleWaits
from .watchers import Watchers

if TYPE_CHECKING:
    from ..driver import DriverClient

LONGEST_SHOWN = 200
"""Characters of what is sent that the journal keeps."""
AROUND = 1_000
"""Characters around a line in which is looked for secrets that are on it in part."""
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
        self.transcript = Transcript(secrets=self.device.connection.redact.known)
        self.recorder = Recorder(self.name, self.device.journal, self.transcript, self.device.connection.redact)
        self.watchers = Watchers(self.recorder.hit)
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
        if self._closed:
            return
        with contextlib.ExitStack() as rest:  # each of it, also if Robot's timeout or Ctrl-C ends another
            rest.callback(self._note_close)
            if self._files is not None:
                rest.callback(self._files.close)
            rest.callback(self._reader.close)
            rest.callback(self._reader.close)  # twice, as an interrupt may come before the first line of the first one
            self._closed = True
            self.transcript.wake()

    def _note_close(self) -> None:
        self.recorder.flush()
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
            position = self.transcript.bytes_received
            finished = self.transcript.add_gap(broken) if broken else self.transcript.append(data)
            self.watchers.look(finished, self.transcript)
            stages = self.recorder.broken() if broken else self.recorder.looked_at(finished)
        if data:
            self.recorder.received(position, len(data), self.transcript.last_byte)
        self.recorder.tell(stages)
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
        self.recorder.power_on(self.mark("power on").time)
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
        self.recorder.flush()
        if self._files is not None and not self._closed:
            self._files.end_test()

    def boot_stages(self) -> dict[str, float]:
        """When the device reached the stages of its start: `first byte`, `loader`, `kernel`, `login`; those seen so far.

        Returns:
            For each stage the seconds from switching on in this session to the arrival of what showed it; nothing before that.
        """
        return self.recorder.boot_stages()

    def write_down(self) -> None:
        """Brings the journal up to date: what arrives is written down in portions. Call it before looking at the journal."""
        self.recorder.flush()

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
        return whole_lines(self.transcript.text(self.place(since).text))

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
            yield mask(whole_lines(self.transcript.text(place.text)))
            return
        begin = self._files.place(place.raw) if self._files is not None else None
        if self._files is None or begin is None or self._files.error is not None or since == "last match":
            error = self._files.error if self._files is not None else "there is no file of it"
            reason = f"Nobody has them: {error or 'their place in the file is not known'}."
            raise UsageError(
                f"{self.title} has said so much since '{since}' that {lost} characters have left memory. "
                f"{'Give since= a mark.' if since == 'last match' else reason}"
            )
        places = (self._files.place(gap.raw) for gap in list(self.transcript.gaps))
        yield from _text_of(self._files.read(begin), [gap - begin for gap in places if gap is not None and gap > begin])

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
        said = raw[:LONGEST_LOOKED_AT]
        if b'JL""' in said or b"JLE" in said:  # people read the command, not its marks
            said = without_frames(said.decode(errors="replace")).encode()
        shown = self.device.connection.redact(repr(said)[1:])
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

    def _matched(self, pattern: str, line: str, when: float, start: int | None = None) -> None:
        if start is not None and (known := self.device.connection.redact.known()):
            # A secret may have begun on the line before, or go on on the next one.
            before = self.transcript.between(start - AROUND, start)
            around = before + self.transcript.between(start, start + len(line) + AROUND)
            line = TextMask(lambda: known)(around).split("\n")[before.count("\n")]
        self.recorder.matched(pattern, line, when)

    def _check_open(self) -> None:
        if self._closed:
            raise SessionClosedError(f"Console '{self.name}' of '{self.device.name}' was closed.")

    def _explain(self, missing: str, length: str, waited: float, start: int | None) -> str:
        return explain_timeout(self, missing, length, waited, start)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "connected" if self.connected else "broken"
        return f"<Console {self.device.name}:{self.name} {state}>"


def _text_of(pieces: Iterable[bytes], gaps: Iterable[int]) -> Iterator[str]:
    """Gives the text of bytes; where the stream was broken, the open line is cut, as it is in memory."""
    lines, begin, borders = LineReader(), 0, sorted(gaps)
    for piece in pieces:
        inside = [border for border in borders if begin <= border < begin + len(piece)]
        borders = borders[len(inside) :]
        start = 0
        for border in inside:
            yield whole_lines(lines.feed(piece[start : border - begin]))
            if cut := lines.interrupt():
                yield f"{cut}\n"
            start = border - begin
        yield whole_lines(lines.feed(piece[start:]))
        begin += len(piece)
    last = lines.open_line
    yield f"{last}\n" if last and borders else last  # broken off at its very end
