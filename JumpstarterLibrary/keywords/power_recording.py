"""Recording what the device draws, and holding it to limits or to an earlier run."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from robot.api import logger

from ..client.power import PowerClient
from ..client.power_recording import recording_of, start_recording, watched
from ..client.power_samples import Gap, PowerSamples, PowerStatistics, Quantity, Sample, load_samples, match
from ..errors import InfrastructureError, MeasurementError, UsageError
from ..report.measurement_files import Tolerance
from ..report.output import link_address, output_folder
from ..report.plots import Plot, plot_html
from ..wire.deadline import in_words
from .base import KeywordGroup, Tag, keyword

STALE = 0.5
"""Seconds after which the newest reading does not tell any more what is drawn now."""


class PowerRecordingKeywords(KeywordGroup):
    """Keywords for power over time."""

    @keyword(tags=[Tag.POWER, Tag.MEASUREMENT])
    def start_power_recording(
        self,
        interval: timedelta = timedelta(seconds=0.1),
        *,
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> None:
        """Begins to record in the background what the device draws; other keywords go on meanwhile.

        It goes on until [Stop Power Recording], or until the session is closed. The readings are in the journal, too.

        Args:
            interval: Time between two readings; a driver that sends readings by itself may give fewer.
            driver: Path of the power driver; see [Choosing a driver].
            timeout: How long the first reading may take; the library's timeout unless given.

        Raises:
            DEVICE: the driver does not measure.
            INFRASTRUCTURE: the exporter does not answer.
            TEST: this driver is being recorded already.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Start Power Recording    interval=50ms
            Power On
            Sleep    300ms
            ${power} =    Stop Power Recording
            Should Be True    ${power.peak} > ${power.mean} > 0
        ```
        """
        start_recording(self.driver(PowerClient, driver), interval, timeout=timeout)

    @keyword(tags=[Tag.POWER, Tag.MEASUREMENT])
    def stop_power_recording(self, *, driver: str | None = None) -> PowerStatistics:
        """Ends the recording, shows it as a plot in the log, and returns what it comes to.

        Args:
            driver: Path of the power driver; see [Choosing a driver].

        Returns:
            An object with `mean`, `peak` and `minimum` in watts, `mean_current`, `peak_current` and `minimum_current` in
            amperes, `peak_voltage` and `minimum_voltage` in volts, `energy` in joules, `energy_wh` in watt hours, `samples`,
            `seconds`, and `gaps` with `gap_seconds`, where readings are missing.

        Raises:
            TEST: nothing was recorded.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power On
            Start Power Recording
            Sleep    300ms
            ${power} =    Stop Power Recording
            Record Measurement    energy    ${power.energy}    unit=J
        ```
        """
        recording = recording_of(self.driver(PowerClient, driver))
        recording.stop()
        samples = recording.samples()
        statistics = samples.statistics()
        self._show(samples, Quantity.POWER, str(statistics))
        for gap in samples.from_zero().gaps:
            logger.warn(f"The power recording has a gap from {gap.begin:.2f} s to {gap.end:.2f} s: {self._masked(gap.reason)}")
        return statistics

    @keyword(tags=[Tag.POWER, Tag.MEASUREMENT, Tag.GETTER])
    def get_power_statistics(self, *, driver: str | None = None) -> PowerStatistics:
        """Returns what a recording comes to so far, without ending it.

        Args:
            driver: Path of the power driver; see [Choosing a driver].

        Returns:
            An object as of [Stop Power Recording].

        Raises:
            TEST: nothing was recorded.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Start Power Recording
            Power On
            Sleep    300ms
            ${power} =    Get Power Statistics
            Should Be True    ${power.samples} > 0
        ```
        """
        statistics = recording_of(self.driver(PowerClient, driver)).samples().statistics()
        logger.info(str(statistics))
        return statistics

    @keyword(tags=[Tag.POWER, Tag.MEASUREMENT])
    def save_power_recording(self, path: Path, *, driver: str | None = None) -> Path:
        """Saves a recording as a CSV file, for other programs or for [Power Should Match Signature] in later runs.

        Its columns are `seconds`, `volt`, `ampere` and `watt`. The seconds count from the last power-on in the recording, or else
        from its begin; what was before has negative ones.

        Args:
            path: The file, relative to `${OUTPUT DIR}`; in place of one that may be there.
            driver: Path of the power driver; see [Choosing a driver].

        Returns:
            The path of the file.

        Raises:
            TEST: nothing was recorded.
            CONFIGURATION: the file cannot be written.

        ```robotframework
        *** Settings ***
        Library    OperatingSystem

        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Start Power Recording    interval=50ms
            Power On
            Sleep    300ms
            ${file} =    Save Power Recording    boot.csv
            File Should Exist    ${file}
        ```
        """
        file = output_folder() / path
        samples = recording_of(self.driver(PowerClient, driver)).samples()
        samples.statistics()  # says so if there is nothing
        samples.save(file)
        logger.info(f'{len(samples.samples)} readings in <a href="{link_address(file)}">{html.escape(file.name)}</a>', html=True)
        return file

    @keyword(tags=[Tag.POWER, Tag.MEASUREMENT, Tag.ASSERTION])
    def power_should_stay_within(
        self,
        min: float | None = None,  # noqa: A002 - as people say it
        max: float | None = None,  # noqa: A002
        during: timedelta = timedelta(seconds=1),
        quantity: Quantity = Quantity.POWER,
        *,
        interval: timedelta = timedelta(seconds=0.1),
        driver: str | None = None,
    ) -> PowerStatistics:
        """Watches what the device draws for a while, and fails at the first reading outside the limits.

        A recording that goes on is used; otherwise this keyword makes one of its own.

        Args:
            min: Lowest allowed value; no limit unless given.
            max: Highest allowed value; no limit unless given.
            during: How long to watch.
            quantity: `POWER` in watts, `CURRENT` in amperes or `VOLTAGE` in volts.
            interval: Time between two readings, where no recording goes on.
            driver: Path of the power driver; see [Choosing a driver].

        Returns:
            An object as of [Stop Power Recording], for this time.

        Raises:
            DEVICE: a value was outside, or the driver does not measure. The log has a plot.
            INFRASTRUCTURE: nobody measured for a part of the time.
            TEST: there is no limit.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power On
            Power Should Stay Within    min=0.5    max=15    during=500ms
            Power Should Stay Within    min=4.5    during=200ms    quantity=VOLTAGE
        ```
        """
        if min is None and max is None:
            raise UsageError("Power Should Stay Within needs a limit: give min, max, or both.")
        if min is not None and max is not None and min > max:
            raise UsageError(f"min={min:g} is higher than max={max:g}: nothing can be within.")
        client = self.driver(PowerClient, driver)
        limits = [(name, value) for name, value in (("min", min), ("max", max)) if value is not None]
        samples, checked = PowerSamples([]), 0
        for samples in watched(client, interval, during):
            for one in samples.samples[checked:]:
                self._check_limits(client, samples, one, quantity, limits)
            checked = len(samples.samples)
        if not samples.samples or samples.end - samples.samples[-1].when > _longest(interval):
            fresh = client.latest()  # a meter that sends changes only may have had nothing to say; a frozen one cannot answer
            now = Sample(samples.end, fresh.voltage, fresh.current)
            samples = PowerSamples([*samples.samples, now], samples.gaps, samples.begin, samples.end, samples.switched_on)
            self._check_limits(client, samples, now, quantity, limits)
        self._check_gaps(client, samples.begin, samples.gaps, samples, quantity)
        statistics = samples.statistics()
        self._show(samples, quantity, str(statistics), limits=limits)
        return statistics

    @keyword(tags=[Tag.POWER, Tag.MEASUREMENT, Tag.ASSERTION])
    def power_should_match_signature(
        self,
        path: Path,
        tolerance: str = "15%",
        quantity: Quantity = Quantity.POWER,
        *,
        step: timedelta = timedelta(seconds=0.2),
        driver: str | None = None,
    ) -> None:
        """Compares a recording with the one of a good run, and shows both curves.

        Both are counted from power-on, or else from their begins, and averaged over pieces of time. Around the good run there
        is an envelope: from the lowest to the highest value of each piece and its neighbours, widened by the tolerance.

        Args:
            path: File of [Save Power Recording] of a good run.
            tolerance: How far beside the good run is still good: `10%` of its highest value, or `0.5` in the quantity's unit.
            quantity: `POWER` in watts, `CURRENT` in amperes or `VOLTAGE` in volts.
            step: Length of a piece of time; starts may differ by as much.
            driver: Path of the power driver; see [Choosing a driver].

        Raises:
            DEVICE: the recording leaves the envelope. The message says where it does first, the log shows both curves.
            INFRASTRUCTURE: nobody measured for a part of the time.
            TEST: nothing was recorded, or for a shorter time than the signature.
            CONFIGURATION: the file is not there, or is no recording.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Start Power Recording    interval=50ms
            Power On
            Sleep    600ms
            Save Power Recording    good.csv
            Sleep    100ms
            Stop Power Recording
            Power Should Match Signature    ${OUTPUT DIR}/good.csv    tolerance=20%
        ```
        """
        if step <= timedelta():
            raise UsageError("The step of a signature has to be longer than 0.")
        client = self.driver(PowerClient, driver)
        signature = [(one.when, one.of(quantity)) for one in load_samples(path)]
        samples = recording_of(client).samples()
        samples.statistics()  # says so if there is nothing
        mine, highest = samples.from_zero(), max(abs(value) for _, value in signature)
        allowed = Tolerance.parse(tolerance).around(highest)
        found = match(mine.curve(quantity), signature, allowed, step.total_seconds())
        called, unit = self._called(client), quantity.value
        plot = Plot(quantity.name.lower(), unit, mine.curve(quantity), "", found.lower, found.upper, outside=found.outside)
        plot.events = [] if mine.switched_on is None else [("power on", 0.0)]
        plot.gaps = [(gap.begin, gap.end) for gap in mine.gaps]
        plot.caption = f"{quantity.name.lower()} of {called} beside the signature {path.name}, {allowed:.3g} {unit} around it: "
        if found.outside:
            when, value = found.outside[0]
            place = [edge[0] for edge in found.lower].index(when)
            low, high = found.lower[place][1], found.upper[place][1]
            share = f"{len(found.outside)} of {len(found.curve)} pieces of {in_words(step)}"
            self._log_plot(plot, f"outside at {when:.2f} s, {share} are outside")
            raise MeasurementError(
                f"The {quantity.name.lower()} of {called} does not match the signature '{path.name}': at {when:.2f} s after "
                f"{'power on' if mine.switched_on is not None else 'the begin'} it is {value:.3f} {unit}, outside of "
                f"{low:.3f} to {high:.3f} {unit}; {share} are outside. The log shows both curves."
            )
        end = signature[-1][0]
        gaps = [gap for gap in mine.gaps if gap.begin < end and gap.end > max(signature[0][0], 0.0)]
        if gaps or found.missing > 0:
            self._log_plot(plot, "not all of it was recorded")
        self._check_gaps(client, 0.0, gaps)
        if found.missing > 0:
            raise UsageError(
                f"The power recording of {called} lacks {found.missing:.2f} s of the {end:.2f} s of the signature "
                f"'{path.name}', so it cannot match. Record longer, from before power on."
            )
        self._log_plot(plot, "it matches")

    # ----------------------------------------------------------------------------------------------------------- helpers

    def _check_limits(
        self, client: PowerClient, samples: PowerSamples, one: Sample, quantity: Quantity, limits: Sequence[tuple[str, float]]
    ) -> None:
        value, unit, name = one.of(quantity), quantity.value, quantity.name.lower()
        for edge, limit in limits:
            if value < limit if edge == "min" else value > limit:
                moment = f"{one.when - samples.begin:.2f} s after the begin"
                side = "below" if edge == "min" else "above"
                told = f"{value:.3f} {unit} {moment}, {side} {edge}={limit:g} {unit}"
                self._show(samples, quantity, f"left its limits: {told}", limits=limits, outside=one)
                raise MeasurementError(f"The {name} of {self._called(client)} did not stay within its limits: it was {told}.")

    def _check_gaps(
        self,
        client: PowerClient,
        begin: float,
        gaps: Sequence[Gap],
        samples: PowerSamples | None = None,
        quantity: Quantity = Quantity.POWER,
    ) -> None:
        if not gaps:
            return
        if samples is not None:
            self._show(samples, quantity, "nobody measured for a part of the time")
        gap = gaps[0]
        raise InfrastructureError(
            f"Nobody knows what {self._called(client)} drew from {gap.begin - begin:.2f} s to {gap.end - begin:.2f} s: "
            f"{self._masked(gap.reason)}"
        )

    def _show(
        self,
        samples: PowerSamples,
        quantity: Quantity,
        caption: str,
        *,
        limits: Sequence[tuple[str, float]] = (),
        outside: Sample | None = None,
    ) -> None:
        shown = samples.from_zero()
        plot = Plot(quantity.name.lower(), quantity.value, shown.curve(quantity), f"{quantity.name.lower()}: ", limits=limits)
        plot.gaps = [(gap.begin, gap.end) for gap in shown.gaps]
        plot.events = [("power on", 0.0)] if shown.switched_on is not None else []
        if outside is not None:
            plot.outside = [(outside.when - samples.zero, outside.of(quantity))]
        self._log_plot(plot, caption)

    def _log_plot(self, plot: Plot, caption: str) -> None:
        plot.caption = self._masked(f"{plot.caption}{caption}")
        logger.info(plot_html(plot), html=True)

    def _masked(self, text: str) -> str:
        return self.library.sessions.redact(text)

    @staticmethod
    def _called(client: PowerClient) -> str:
        return f"the power driver '{client.path or '(root)'}' of device '{client.device.name}'"


def _longest(interval: timedelta) -> float:
    """Seconds without a reading that are still usual."""
    return max(3 * interval.total_seconds(), STALE)
