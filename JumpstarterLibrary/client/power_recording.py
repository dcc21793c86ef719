"""Recording what a device draws: a thread that takes readings beside whatever else is going on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from ..errors import CallTimeoutError, DriverError, JumpstarterError, SessionClosedError, UsageError
from ..journal import PowerSwitched
from ..wire.deadline import Deadline, Timeout, in_words, seconds
from ..wire.interruptible import SoundEvent
from .failures import Act
from .power import PowerClient, PowerReading
from .power_samples import Gap, PowerSamples, Sample
from .stream_ends import Background

if TYPE_CHECKING:
    from .device import Device

INTERVAL = timedelta(seconds=0.1)
"""Between two readings, unless told otherwise."""
SHORTEST = 0.005
"""Seconds of the shortest interval; a call takes about one millisecond."""
RENEWED = 5.0
"""Seconds after its first reading in which a stream without end is opened anew: so one whose exporter froze is noticed."""
PATIENCE = 5.0
"""Seconds in which a new stream has to give its first reading; after that nobody knows what the device draws."""
AT_ONCE = 0.02
"""Seconds in which a second reading replaces the first of a stream: mocks send an old value first and the real one at once."""
RETRY = 0.5
"""Seconds between attempts to get readings again."""
JOINING = 2.0
"""Seconds that stopping waits for the thread, which is not waited for any longer."""
SLICE = 0.1
"""Seconds of one piece of waiting, between which Robot's timeouts and Ctrl-C get through on every system."""


class PowerRecording:
    """Readings of one power driver, taken in the background from `start` to `stop` or to the session's end.

    Args:
        client: the power driver.
        interval: between readings; a driver that sends by itself may give fewer, and never more.
    """

    def __init__(self, client: PowerClient, interval: Timeout = INTERVAL) -> None:
        self.client = client
        self.interval = seconds(interval)
        if self.interval < SHORTEST:
            raise UsageError(f"{in_words(self.interval)} is too short for an interval between power readings: 5 ms at least.")
        self.began = self.ended = 0.0
        """Monotonic; the end is 0 as long as it goes on."""
        self._samples: list[Sample] = []
        self._gaps: list[Gap] = []
        self._gap: tuple[float, str] | None = None
        self._held: Sample | None = None
        self._error: JumpstarterError | None = None
        self._first = SoundEvent()
        self._stopping = SoundEvent()
        self._stream = Background()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"jumpstarter-power-{client.path}", daemon=True)

    # ------------------------------------------------------------------ start and end

    def start(self, *, timeout: Timeout | None = None) -> None:
        """Begins, and returns when the first reading is there.

        Args:
            timeout: for the first reading; the device's unless given.

        Raises:
            DriverNotSupportedError: the driver does not measure.
            DriverError: it sent no reading in time, or something else.
            CallTimeoutError: the exporter does not answer.
            SessionClosedError: the session was closed.
            SessionLostError: the session is lost.
        """
        device = self.client.device
        deadline = Deadline(device.timeout_seconds if timeout is None else timeout)
        device.connection.check_usable(Act(device.name, self.client.path, "read"))
        self.began = time.monotonic()
        device.add_closer(self.stop)
        try:
            self._thread.start()
            while not self._first.wait(min(SLICE, max(deadline.remaining, 0.001))):
                if deadline.expired:
                    raise self._nothing_came(deadline)
            if self._error is not None:
                raise self._error.with_traceback(None)
        except BaseException:  # also Robot's timeout and Ctrl-C
            self.stop()
            raise

    def _nothing_came(self, deadline: Deadline) -> JumpstarterError:
        told = f"{self.called} sent no reading within {in_words(deadline.total)}, so nothing is recorded"
        if self.client.device.connection.alive():
            return DriverError(f"{told}.")
        return CallTimeoutError(f"{told}: the exporter does not answer at all. Is it frozen, or the network down?")

    def stop(self) -> None:
        """Ends the recording; what was recorded stays. Stopping twice does no harm."""
        self._stopping.set()
        self._stream.end()
        self.client.device.remove_closer(self.stop)
        deadline = Deadline(JOINING)
        while self._thread.is_alive() and not deadline.expired and threading.current_thread() is not self._thread:
            self._thread.join(SLICE)
        with self._lock:
            if not self.ended:
                self._keep_held()
                self.ended = time.monotonic()
                if self._gap is not None:
                    self._gaps.append(Gap(self._gap[0], self.ended, self._gap[1]))
                    self._gap = None

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return not self.ended

    @property
    def called(self) -> str:
        """How messages call the driver."""
        return f"The power driver '{self.client.path or '(root)'}' of device '{self.client.device.name}'"

    # ------------------------------------------------------------------------- results

    def samples(self, since: float = 0.0) -> PowerSamples:
        """Returns what was recorded so far.

        Args:
            since: leaves out what came before this time, monotonic.
        """
        with self._lock:
            samples = [one for one in self._samples if one.when >= since]
            gaps = [one for one in self._gaps if one.end >= since]
            now = self.ended or time.monotonic()
            if self._gap is not None:
                gaps.append(Gap(self._gap[0], now, self._gap[1]))
        return PowerSamples(samples, gaps, max(self.began, since), now, self._switched_on(now))

    def _switched_on(self, until: float) -> float | None:
        """When the device was last told to switch on while this was recording."""
        times = [
            event.monotonic
            for event in self.client.device.journal.events(PowerSwitched)
            if event.driver == self.client.path and event.state != "off" and self.began <= event.monotonic <= until
        ]
        return max(times, default=None)

    # -------------------------------------------------------------------------- thread

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set() and not self.client.device.connection.is_over:
            try:
                self._take_stream()
                due = max(due + self.interval, time.monotonic())
            except SessionClosedError:
                break
            except JumpstarterError as error:
                self._miss(error)
                due = time.monotonic() + max(self.interval, RETRY)
            except Exception as error:  # noqa: BLE001 - nobody is there to catch it; it is told where the recording is used
                self._miss(DriverError(f"{self.called} could not be read: {type(error).__name__}: {error}"))
                break
            self._stopping.wait(max(due - time.monotonic(), 0.0))
        if not self._stopping.is_set():
            self._miss(DriverError("the session is over"))

    def _take_stream(self) -> None:
        self._stream = stream = Background()
        if self._stopping.is_set():
            return
        opened, count = time.monotonic(), 0
        with contextlib.closing(self.client.readings(stream, timeout=PATIENCE + RENEWED, settle=RENEWED)) as readings:
            for reading in readings:
                count += 1
                self._took(Sample(time.monotonic(), reading.voltage, reading.current))
        with self._lock:
            self._keep_held()
        if not count and not self._stopping.is_set():
            raise DriverError(f"{self.called} sent no reading within {in_words(time.monotonic() - opened)}.")

    def _took(self, sample: Sample) -> None:
        with self._lock:
            if self._held is not None and sample.when - self._held.when >= AT_ONCE:
                self._keep_held()
            newest = self._samples[-1].when if self._samples else None
            # A driver that sends faster than asked for is thinned; a tenth of the interval is for the clocks.
            if newest is None or sample.when - newest >= 0.9 * self.interval:
                self._held = sample
        self._first.set()

    def _keep_held(self) -> None:
        if self._held is None or self.ended:
            return
        sample, self._held = self._held, None
        if self._gap is not None:
            self._gaps.append(Gap(self._gap[0], sample.when, self._gap[1]))
            self._gap = None
        self._samples.append(sample)
        self.client.write_down(PowerReading(sample.volt, sample.ampere), sample.when)

    def _miss(self, error: JumpstarterError) -> None:
        """Nobody knows what the device draws from the last reading on."""
        if not self._first.is_set():
            self._error = error
            self._stopping.set()
            self._first.set()
            return
        with self._lock:
            self._keep_held()
            if self._gap is None and not self.ended and not self._stopping.is_set():
                begin = self._samples[-1].when if self._samples else self.began
                self._gap = (begin, str(error).partition("\n")[0])


# ---------------------------------------------------------------------------------------------------- who records what


def _recordings(device: Device) -> dict[str, PowerRecording]:
    """The recordings of a device by path of the driver. They know the device, so they are kept there and end with it."""
    known: dict[str, PowerRecording] = vars(device).setdefault("_power_recordings", {})
    return known


def start_recording(client: PowerClient, interval: Timeout = INTERVAL, *, timeout: Timeout | None = None) -> PowerRecording:
    """Begins to record what a driver measures; there is one recording of a driver at a time.

    Raises:
        UsageError: it is being recorded already.
        DriverNotSupportedError: the driver does not measure.
    """
    known = _recordings(client.device)
    before = known.get(client.path)
    if before is not None and before.running:
        raise UsageError(f"{before.called} is being recorded already. Stop that recording first.")
    recording = PowerRecording(client, interval)
    try:
        known[client.path] = recording
        recording.start(timeout=timeout)
        return recording
    except BaseException:  # also Robot's timeout and Ctrl-C
        recording.stop()
        known.pop(client.path, None)
        if before is not None:
            known[client.path] = before
        raise


def recording_of(client: PowerClient) -> PowerRecording:
    """Returns the recording of a driver that goes on, or else the one that ended last.

    Raises:
        UsageError: there is none.
    """
    recording = _recordings(client.device).get(client.path)
    if recording is None:
        called = f"'{client.path or '(root)'}' of device '{client.device.name}'"
        raise UsageError(f"Nothing was recorded of the power driver {called}. Begin with Start Power Recording.")
    return recording


@contextlib.contextmanager
def record(client: PowerClient, interval: Timeout = INTERVAL) -> Iterator[PowerRecording]:
    """Records in a `with` block; see `PowerClient.record`."""
    recording = start_recording(client, interval)
    try:
        yield recording
    finally:
        recording.stop()


def watched(client: PowerClient, interval: Timeout, during: Timeout) -> Generator[PowerSamples, None, None]:
    """Gives what is measured from now on, again and again, until the time is over: each time all of it.

    A recording that goes on already is used; otherwise there is one of its own.

    Raises:
        DriverNotSupportedError: the driver does not measure.
    """
    existing = _recordings(client.device).get(client.path)
    own = None if existing is not None and existing.running else PowerRecording(client, interval)
    stop: Callable[[], None] = (lambda: None) if own is None else own.stop
    try:
        if own is not None:
            own.start()
        recording = own or existing
        assert recording is not None
        since, deadline = time.monotonic() if own is None else own.began, Deadline(during)
        while True:
            over = deadline.expired or not recording.running
            if over:
                stop()
            yield recording.samples(since)
            if over:
                return
            time.sleep(min(SLICE / 2, max(deadline.remaining, 0.0)))
    finally:
        stop()
