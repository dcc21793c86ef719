"""Numbers that count: values with units and limits, boot stages, and how they were before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from robot.api import logger
from robot.utils import DotDict

from ..errors import ConfigurationError, JumpstarterError, MeasurementError, UsageError
from ..report.measurement_files import Compared, Tolerance, compare, load, merge, write_rows
from ..report.measurements import comparison
from ..report.measuring import with_unit
from ..sessions import DeviceSession
from .base import Tag, keyword
from .console_base import ConsoleGroup

MOST_IN_MESSAGE = 5


class MeasurementKeywords(ConsoleGroup):
    """Keywords for measurements."""

    @keyword(tags=[Tag.MEASUREMENT, Tag.ASSERTION])
    def record_measurement(
        self, name: str, value: float | timedelta, *, unit: str = "", limit: str = "", fail: bool = True
    ) -> float:
        """Writes a value down for the report, and checks it if a limit is given. No session needs to be open.

        It stands in a table under the test in log.html, in the metadata of the suite, and in `measurements.json` and
        `measurements.csv` in `${OUTPUT DIR}/jumpstarter`.

        Args:
            name: What was measured.
            value: A number; or a time such as `1.5s`, which becomes seconds.
            unit: What the number counts, such as `s`, `V` or `MB/s`.
            limit: What the value has to be: `<15`, `<=15`, `>3`, `>=3`, `==5`, or `3..5` with both ends. Empty for none.
            fail: Whether the keyword fails if the value is outside its limit. If not, the table alone says so.

        Returns:
            The value, as a number.

        Raises:
            DEVICE: the value is outside its limit. It is written down all the same.
            TEST: the value is no number, or the limit none.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power On
            ${voltage} =    Get Voltage
            Record Measurement    supply    ${voltage}    unit=V    limit=4.75..5.25
        ```
        """
        measurement = self.library.measurements.record(self._session_if_open(), name, value, unit, limit)
        bounds = f", limit {with_unit(measurement.limit, unit)}" if measurement.limit else ""
        logger.info(f"{name}: {measurement.shown}{bounds}{'' if measurement.passed else ': outside'}")
        if fail:
            measurement.check()
        return measurement.value

    @keyword(tags=[Tag.MEASUREMENT, Tag.CONSOLE, Tag.GETTER])
    def get_boot_stages(self, *, console: str | None = None) -> DotDict:
        """Returns how long after the last power-on the device reached each stage of its start, in seconds.

        An open console sees them by itself, and each is written down as a measurement, such as `boot: kernel`.

        Args:
            console: Which console; the current one unless given.

        Returns:
            A dictionary of the stages that were reached so far, in order: `first byte`, `loader`, `kernel`, `login`. It is empty
            if the device was not switched on in this session.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Login To Console    root    sesame
            ${stages} =    Get Boot Stages
            Record Measurement    time to login    ${stages}[login]    unit=s    limit=<60
        ```
        """
        opened = self.console(console)
        stages = DotDict(opened.boot_stages())
        logger.info(f"{opened.name}: " + (", ".join(f"{name} {seconds:.3f} s" for name, seconds in stages.items()) or "none yet"))
        return stages

    @keyword(tags=[Tag.MEASUREMENT])
    def save_baseline(self, path: Path) -> str:
        """Saves what was measured so far, for [Compare With Baseline] in later runs.

        In a test, the test's own measurements; in the setup or teardown of a suite, those of the suite. Those of other tests and
        suites that are in the file already stay there. The `measurements.json` of a whole run is a baseline, too.

        Args:
            path: The file, relative to the folder in which `robot` was started.

        Returns:
            The file's full path.

        Raises:
            CONFIGURATION: it cannot be written.
            TEST: nothing was measured.

        ```robotframework
        *** Test Cases ***
        Example
            Record Measurement    boot time    12.5    unit=s
            Save Baseline    ${OUTPUT DIR}/good.json
        ```
        """
        measured = self.library.measurements.here()
        if not measured:
            raise UsageError(f"There is no baseline to save: nothing was measured in {self._here()}.")
        path = path.absolute()
        write_rows(merge(load(path) if path.exists() else [], measured, self.library.sessions.redact), path)
        logger.info(f"{len(measured)} measurements saved in {path}")
        return str(path)

    @keyword(tags=[Tag.MEASUREMENT, Tag.ASSERTION])
    def compare_with_baseline(self, path: Path, tolerance: str = "10%", *, fail: bool = True) -> list[DotDict]:
        """Compares what was measured with a saved good run, and fails if it is worse.

        In a test, the test's own measurements; in the setup or teardown of a suite, those of the suite. A value with a limit of
        `<` or `<=`, and a boot stage, is worse if it is higher; one with `>` or `>=` if it is lower; any other one if it differs.
        One that was measured before and is missing now is worse, too. One that is new is only shown.

        Args:
            path: A file of [Save Baseline], or the `measurements.json` of a run; relative to the folder in which `robot` was
                started.
            tolerance: How far a value may be from the one before: `10%`, or `0.5` in its own unit.
            fail: Whether the keyword fails if something is worse.

        Returns:
            A list of dictionaries with `name`, `test`, `device`, `before`, `now`, `unit` and `verdict`, which is `same`,
            `better`, `worse`, `missing`, `new`, or `unit` if it was in another unit.

        Raises:
            DEVICE: something is worse than it was.
            CONFIGURATION: there is no such file, it is of another kind, or has none of these measurements.
            TEST: nothing was measured, so there is nothing to compare.

        ```robotframework
        *** Test Cases ***
        Example
            Record Measurement    boot time    12.5    unit=s    limit=<15
            Save Baseline    ${OUTPUT DIR}/good-boots.json
            Compare With Baseline    ${OUTPUT DIR}/good-boots.json    tolerance=5%
        ```
        """
        allowed, baseline = Tolerance.parse(tolerance), load(path.absolute())
        measured = self.library.measurements.here()
        if not measured:
            raise UsageError(f"There is nothing to compare with the baseline '{path}': nothing was measured in {self._here()}.")
        compared = compare(baseline, measured, allowed)
        if all(one.before is None for one in compared):  # a test that got another name would never fail again
            raise ConfigurationError(
                f"The baseline '{path}' has no measurement of {self._here()} that could be compared, only those of other tests. "
                "Save a new one with Save Baseline."
            )
        redact = self.library.sessions.redact
        logger.info(comparison(f"Compared with {path.name}, tolerance {tolerance}", compared, redact), html=True)
        worse = [one for one in compared if one.failed]
        if worse and fail:
            told = [_told(one) for one in worse[:MOST_IN_MESSAGE]]
            told += [f"and {len(worse) - MOST_IN_MESSAGE} more"] if len(worse) > MOST_IN_MESSAGE else []
            raise MeasurementError(
                f"{len(worse)} of {len(compared)} measurements are worse than in the baseline '{path.name}' "
                f"(tolerance {tolerance}): {'; '.join(told)}."
            )
        return [
            DotDict(
                name=one.name,
                test=one.test,
                device=one.device,
                before=one.before,
                now=one.now,
                unit=one.unit,
                verdict=one.verdict,
            )
            for one in compared
        ]

    def _session_if_open(self) -> DeviceSession | None:
        try:
            return self.session
        except JumpstarterError:
            return None

    def _here(self) -> str:
        measurements = self.library.measurements
        return f"test '{measurements.test}'" if measurements.test else f"suite '{measurements.suite}'"


def _told(one: Compared) -> str:
    if one.now is None:
        return f"{one.name} is missing"
    before = "" if one.before is None else with_unit(one.before, one.unit if one.verdict != "unit" else "")
    if one.verdict == "unit":
        return f"{one.name} {one.note}, and is in {one.unit or 'none'} now"
    change = f" ({one.change})" if one.change else ""
    return f"{one.name} was {before}, and is {with_unit(one.now, one.unit)}{change}"
