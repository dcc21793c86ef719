"""Recording what a device draws, beside whatever else is going on."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from helpers.exporters import start_our_exporter
from helpers.results import eventually

from JumpstarterLibrary.client import PowerClient, connect
from JumpstarterLibrary.client.power_recording import recording_of, start_recording
from JumpstarterLibrary.client.power_samples import Gap, PowerSamples, Quantity, Sample, load_samples, match
from JumpstarterLibrary.drivers import MockPower, Power
from JumpstarterLibrary.drivers.power import PowerReading
from JumpstarterLibrary.errors import (
    ConfigurationError,
    DriverError,
    DriverNotSupportedError,
    SessionClosedError,
    UsageError,
)
from JumpstarterLibrary.exporter import Session, export
from JumpstarterLibrary.journal import CallEnded, Reading


class Meter(Power):
    """Sends what it is told, and then waits for more."""

    @export
    async def on(self) -> None:
        pass

    @export
    async def off(self) -> None:
        pass

    @export
    async def read(self) -> AsyncGenerator[PowerReading, None]:
        while True:
            yield PowerReading(5.0, 2.0)
            await anyio.sleep(0.03)


class Quiet(Power):
    """Sends one reading, and then nothing ever again."""

    @export
    async def read(self) -> AsyncGenerator[PowerReading, None]:
        yield PowerReading(5.0, 1.0)
        await anyio.sleep(3600)


class Silent(Power):
    """Never sends anything."""

    @export
    async def read(self) -> AsyncGenerator[PowerReading, None]:
        await anyio.sleep(3600)
        yield PowerReading(5.0, 1.0)


class Switch(Power):
    """Cannot measure."""

    @export
    async def on(self) -> None:
        pass


class Fickle(Power):
    """Measures, fails for a while, and measures again."""

    def __init__(self, **driver: Any) -> None:
        super().__init__(**driver)
        self.broken = False

    @export
    async def read(self) -> AsyncGenerator[PowerReading, None]:
        if self.broken:
            raise RuntimeError("bus error")
        yield PowerReading(5.0, 1.0)


@contextmanager
def power(driver: Any) -> Iterator[PowerClient]:
    with Session(root_device=driver) as session, session.serve_unix() as path:
        with connect(str(path), timeout=timedelta(seconds=10)) as device:
            yield device.driver_of(PowerClient)


@pytest.mark.parametrize("kind", [Meter, MockPower])
def test_readings_come_while_other_calls_go_on(kind: type[Power]) -> None:
    with power(kind()) as client, client.record(0.03) as recording:
        assert eventually(lambda: len(recording.samples().samples) >= 3)
        client.on()
        count = len(recording.samples().samples)
        assert eventually(lambda: len(recording.samples().samples) >= count + 3)
        assert {one.volt for one in recording.samples().samples} == {5.0}  # the mock's old value is none
        assert recording.samples().switched_on is not None


def test_readings_stand_in_the_journal_and_calls_for_them_do_not() -> None:
    with power(MockPower()) as client:
        with client.record(0.01) as recording:
            assert eventually(lambda: len(recording.samples().samples) >= 5)
        journal = client.device.journal
        assert journal.events(CallEnded) == []
        times = [one.when for one in recording.samples().samples]
        assert [event.monotonic for event in journal.events(Reading)] == times


def test_a_meter_that_is_faster_than_asked_for_is_thinned() -> None:
    with power(Meter()) as client, client.record(0.2) as recording:
        assert eventually(lambda: len(recording.samples().samples) >= 3)
        times = [one.when for one in recording.samples().samples]
    assert all(later - earlier >= 0.18 for earlier, later in pairwise(times))


def test_a_driver_that_does_not_measure_is_refused_at_the_start() -> None:
    with power(Switch()) as client:
        with pytest.raises(DriverNotSupportedError, match="does not measure"):
            start_recording(client)
        with pytest.raises(UsageError, match="Nothing was recorded"):
            recording_of(client)


def test_a_driver_without_readings_is_refused_in_time_and_leaves_nothing() -> None:
    with power(Silent()) as client:
        with pytest.raises(DriverError, match="no reading within 200 ms"):
            start_recording(client, timeout=0.2)
        assert recordings_under_way() == []


def test_stopping_ends_a_stream_that_waits_for_its_next_reading() -> None:
    with power(Quiet()) as client:
        recording = start_recording(client, 0.05)
        begin = time.monotonic()
        recording.stop()
        assert time.monotonic() - begin < 1.5
        assert recordings_under_way() == []
        assert len(recording.samples().samples) == 1  # also the one that was held back


def test_the_end_of_the_session_ends_the_recording() -> None:
    with power(Quiet()) as client:
        recording = start_recording(client)
    assert not recording.running
    assert recordings_under_way() == []
    assert recording.samples().gaps == []
    with pytest.raises(SessionClosedError):
        start_recording(client)


def test_a_start_that_fails_leaves_the_recording_before_as_it_was() -> None:
    driver = Fickle()
    with power(driver) as client:
        with client.record() as first:
            pass
        driver.broken = True
        with pytest.raises(DriverError, match="bus error"):
            start_recording(client)
        assert recording_of(client) is first


def test_a_device_that_was_recorded_is_not_kept_for_ever() -> None:
    with power(MockPower()) as client, client.record():
        device = weakref.ref(client.device)
    del client
    gc.collect()
    assert device() is None


def test_one_driver_has_one_recording_at_a_time() -> None:
    with power(MockPower()) as client:
        first = start_recording(client)
        with pytest.raises(UsageError, match="already"):
            start_recording(client)
        first.stop()
        second = start_recording(client)
        assert recording_of(client) is second
        second.stop()
        with pytest.raises(UsageError, match="too short"):
            start_recording(client, 0.001)


def test_a_time_without_readings_is_a_gap() -> None:
    driver = Fickle()
    with power(driver) as client:
        with client.record(0.02) as recording:
            assert eventually(lambda: len(recording.samples().samples) >= 3)
            driver.broken = True
            assert eventually(lambda: recording.samples().gaps)
            driver.broken = False
            assert eventually(lambda: recording.samples().gaps and len(recording.samples().samples) > after_gap(recording) + 2)
        [gap] = recording.samples().gaps
    assert "bus error" in gap.reason
    times = [one.when for one in recording.samples().samples]
    assert gap.begin in times
    assert gap.end in times


def test_a_lost_exporter_is_a_gap_to_the_end() -> None:
    with start_our_exporter() as exporter, connect(exporter.address, timeout=timedelta(seconds=10)) as device:
        client = device.driver_of(PowerClient)
        with client.record(0.05) as recording:
            assert eventually(lambda: len(recording.samples().samples) >= 2)
            exporter.stop()
            assert eventually(lambda: recording.samples().gaps, 10)
        [gap] = recording.samples().gaps
        assert gap.end == recording.ended


# ---------------------------------------------------------------------------------------------------------- statistics

RAMP = [Sample(10.0, 5.0, 0.0), Sample(11.0, 5.0, 2.0), Sample(13.0, 5.0, 2.0)]


def test_statistics_count_by_time() -> None:
    found = PowerSamples(RAMP).statistics()
    assert found.energy == pytest.approx(5 + 20)
    assert found.energy_wh == pytest.approx(25 / 3600)
    assert found.mean == pytest.approx(25 / 3)
    assert (found.peak, found.minimum, found.peak_current, found.samples, found.seconds) == (10.0, 0.0, 2.0, 3, 3.0)


def test_nothing_is_made_up_for_gaps() -> None:
    found = PowerSamples(RAMP, [Gap(11.0, 13.0, "away")]).statistics()
    assert found.energy == pytest.approx(5)
    assert found.mean == pytest.approx(5)
    assert (found.gaps, found.gap_seconds) == (1, 2.0)


def test_no_readings_have_no_statistics() -> None:
    with pytest.raises(UsageError, match="no reading"):
        PowerSamples([]).statistics()


def test_a_saved_recording_counts_from_power_on(tmp_path: Path) -> None:
    path = tmp_path / "new" / "boot.csv"
    PowerSamples(RAMP, begin=10.0, end=13.0, switched_on=11.0).save(path)
    assert path.read_text().splitlines()[:2] == ["seconds,volt,ampere,watt", "-1.0000,5,0,0"]
    assert [(one.when, one.watt) for one in load_samples(path)] == [(-1.0, 0.0), (0.0, 10.0), (2.0, 10.0)]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "seconds,volt,ampere\n1,x,3\n", "seconds,volt,ampere\n2,1,1\n1,1,1\n", "\0"])
def test_what_is_no_recording_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="is no power recording"):
        load_samples(path)


def test_a_file_that_cannot_be_written_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be saved"):
        PowerSamples(RAMP).save(tmp_path / "file" / "x.csv")


# ---------------------------------------------------------------------------------------------------------- signatures

START = [(n / 20, 0.0 if n < 2 else 8.0 if n < 10 else 3.0) for n in range(60)]


def test_a_run_matches_itself_and_one_that_is_a_little_later() -> None:
    assert match(START, START, 0.1, 0.2).outside == []
    later = [(when + 0.15, value) for when, value in START]
    found = match(later, START, 0.1, 0.2)
    assert found.outside == []
    assert found.missing == 0


def test_a_load_that_is_not_there_is_outside_where_it_should_be() -> None:
    dead = [(when, min(value, 3.0)) for when, value in START]
    found = match(dead, START, 0.5, 0.2)
    assert found.outside
    assert all(0 <= when < 0.5 for when, _ in found.outside)


def test_one_peak_more_is_outside() -> None:
    shorted = [(when, 30.0 if 2.0 <= when <= 2.1 else value) for when, value in START]
    assert [round(when, 1) for when, _ in match(shorted, START, 1.0, 0.2).outside]


def test_what_was_not_recorded_is_missing() -> None:
    assert match(START[:30], START, 0.1, 0.2).missing == pytest.approx(1.2, abs=0.21)
    assert match([(when, value) for when, value in START if when > 1], START, 0.1, 0.2).missing > 0.5


def test_quantities_have_their_units() -> None:
    sample = Sample(0.0, 5.0, 2.0)
    assert [(sample.of(one), one.value) for one in Quantity] == [(10.0, "W"), (2.0, "A"), (5.0, "V")]


def after_gap(recording: Any) -> int:
    """How many readings were there when the gap began."""
    samples = recording.samples()
    return sum(one.when <= samples.gaps[0].begin for one in samples.samples)


def recordings_under_way() -> list[str]:

    return [thread.name for thread in threading.enumerate() if thread.name.startswith("jumpstarter-power")]
