"""What was recorded of a supply: statistics, files, and how like an earlier recording it is."""

from __future__ import annotations

import contextlib
import csv
import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from pathlib import Path

from ..errors import ConfigurationError, UsageError

COLUMNS = ("seconds", "volt", "ampere", "watt")
"""Of a file with a recording."""


class Quantity(Enum):
    """What a supply delivers, with its unit."""

    POWER = "W"
    CURRENT = "A"
    VOLTAGE = "V"


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading and when it came, in seconds."""

    when: float
    volt: float
    ampere: float

    @property
    def watt(self) -> float:
        """Volts times amperes."""
        return self.volt * self.ampere

    def of(self, quantity: Quantity) -> float:
        """The value of a quantity, in its unit."""
        return {Quantity.POWER: self.watt, Quantity.CURRENT: self.ampere, Quantity.VOLTAGE: self.volt}[quantity]


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which nobody knows what the device drew."""

    begin: float
    end: float
    reason: str


@dataclass(frozen=True, slots=True)
class PowerStatistics:
    """What a recording comes to."""

    samples: int
    """How many readings."""
    seconds: float
    """From the first to the last reading, gaps included."""
    mean: float
    """Watts, over the time that was measured."""
    peak: float
    """Watts."""
    minimum: float
    """Watts."""
    mean_current: float
    """Amperes."""
    peak_current: float
    """Amperes."""
    minimum_current: float
    """Amperes."""
    minimum_voltage: float
    """Volts."""
    peak_voltage: float
    """Volts."""
    energy: float
    """Joules; nothing is counted for gaps."""
    energy_wh: float
    """The same in watt hours."""
    gaps: int
    """How many times readings are missing."""
    gap_seconds: float
    """How long all gaps are together."""

    def __str__(self) -> str:
        gaps = f", {self.gaps} gap{'' if self.gaps == 1 else 's'} of {self.gap_seconds:.1f} s together" if self.gaps else ""
        return (
            f"mean {self.mean:.3f} W, peak {self.peak:.3f} W ({self.peak_current:.3f} A), minimum {self.minimum:.3f} W, "
            f"{self.energy:.3f} J in {self.seconds:.1f} s, {self.samples} readings{gaps}"
        )


@dataclass(frozen=True, slots=True)
class PowerSamples:
    """Readings in order of time, and where some are missing."""

    samples: Sequence[Sample]
    gaps: Sequence[Gap] = ()
    begin: float = 0.0
    end: float = 0.0
    switched_on: float | None = None
    """When the device was switched on, if it was."""

    @property
    def zero(self) -> float:
        """Where seconds are counted from: power on, else the begin."""
        return self.begin if self.switched_on is None else self.switched_on

    def from_zero(self) -> PowerSamples:
        """Returns the same with times counted from power on, else from the begin."""
        zero = self.zero
        samples = [Sample(one.when - zero, one.volt, one.ampere) for one in self.samples]
        gaps = [Gap(one.begin - zero, one.end - zero, one.reason) for one in self.gaps]
        on = None if self.switched_on is None else 0.0
        return PowerSamples(samples, gaps, self.begin - zero, self.end - zero, on)

    def curve(self, quantity: Quantity) -> list[tuple[float, float]]:
        """Times and values."""
        return [(one.when, one.of(quantity)) for one in self.samples]

    def statistics(self) -> PowerStatistics:
        """Returns what it comes to.

        Raises:
            UsageError: there is no reading.
        """
        if not self.samples:
            raise UsageError("The power recording has no reading, so there is nothing to calculate with.")
        watts, amperes = [one.watt for one in self.samples], [one.ampere for one in self.samples]
        volts = [one.volt for one in self.samples]
        energy = charge = measured = 0.0
        for one, next_one in pairwise(self.samples):
            if any(gap.begin < next_one.when and one.when < gap.end for gap in self.gaps):
                continue
            length = next_one.when - one.when
            measured += length
            energy += length * (one.watt + next_one.watt) / 2
            charge += length * (one.ampere + next_one.ampere) / 2
        return PowerStatistics(
            samples=len(watts),
            seconds=self.samples[-1].when - self.samples[0].when,
            mean=energy / measured if measured else math.fsum(watts) / len(watts),
            peak=max(watts),
            minimum=min(watts),
            mean_current=charge / measured if measured else math.fsum(amperes) / len(amperes),
            peak_current=max(amperes),
            minimum_current=min(amperes),
            minimum_voltage=min(volts),
            peak_voltage=max(volts),
            energy=energy,
            energy_wh=energy / 3600,
            gaps=len(self.gaps),
            gap_seconds=math.fsum(gap.end - gap.begin for gap in self.gaps),
        )

    # ----------------------------------------------------------------------------- files

    def save(self, path: Path) -> None:
        """Writes a CSV file: `seconds` since power on, else since the begin, `volt`, `ampere`, `watt`.

        Raises:
            ConfigurationError: it cannot be written.
        """
        part = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(COLUMNS)
                for one in self.from_zero().samples:
                    writer.writerow([f"{one.when:.4f}", f"{one.volt:.5g}", f"{one.ampere:.5g}", f"{one.watt:.5g}"])
            part.replace(path)
        except OSError as error:
            raise ConfigurationError(
                f"The power recording cannot be saved as '{path}': {(error.strerror or str(error)).lower()}."
            ) from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def load_samples(path: Path) -> list[Sample]:
    """Reads a file that `save` wrote.

    Raises:
        ConfigurationError: it is not there, or something else.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        samples = [Sample(*(_number(row[name]) for name in COLUMNS[:3])) for row in rows]
    except OSError as error:
        raise ConfigurationError(
            f"The power recording '{path}' cannot be read: {(error.strerror or str(error)).lower()}."
        ) from None
    except (KeyError, TypeError, ValueError, csv.Error):
        raise ConfigurationError(
            f"'{path}' is no power recording: it has to be a CSV file with the columns seconds, volt and ampere, and numbers "
            "below. Make one with Save Power Recording."
        ) from None
    if len(samples) < 2 or any(a.when >= b.when for a, b in pairwise(samples)):
        raise ConfigurationError(f"'{path}' is no power recording: it needs two rows at least, in order of time.")
    return samples


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


# ------------------------------------------------------------------------------------------------------------ signatures


@dataclass(frozen=True, slots=True)
class Matched:
    """How a recording fits the envelope around an earlier one. Times are seconds since power on or since the begin."""

    curve: list[tuple[float, float]]
    """The recording."""
    lower: list[tuple[float, float]]
    upper: list[tuple[float, float]]
    outside: list[tuple[float, float]]
    """Where the recording is outside."""
    missing: float
    """Seconds at the end of the signature of which there is no recording."""


def match(
    curve: Sequence[tuple[float, float]], signature: Sequence[tuple[float, float]], tolerance: float, step: float
) -> Matched:
    """Compares a curve with the envelope around another one.

    Both are averaged over pieces of time. The envelope goes from the lowest to the highest of a piece and its neighbours, widened
    by the tolerance: so a start that is a little earlier or later is like the signature.

    Args:
        curve: seconds and values.
        signature: seconds and values of the good run.
        tolerance: how far the curve may be outside of the signature, in the unit of the values.
        step: length of a piece, in seconds.
    """
    begin = max(signature[0][0], 0.0)
    end = signature[-1][0]
    count = max(int((end - begin) / step), 1)
    grid = [begin + (n + 0.5) * step for n in range(count)]
    # With one piece before and one after, as the first and the last have neighbours, too.
    good = [_mean(signature, begin + n * step, begin + (n + 1) * step) for n in range(-1, count + 1)]
    around = [good[n : n + 3] for n in range(count)]
    lower = [(when, min(near) - tolerance) for when, near in zip(grid, around, strict=True)]
    upper = [(when, max(near) + tolerance) for when, near in zip(grid, around, strict=True)]
    last = curve[-1][0] if curve else begin
    known = [when for when in grid if when + step / 2 <= last + step and curve and when - step / 2 >= curve[0][0] - step]
    mine = {when: _mean(curve, when - step / 2, when + step / 2) for when in known}
    outside = [
        (when, mine[when])
        for when, low, high in zip(grid, lower, upper, strict=True)
        if when in mine and not low[1] <= mine[when] <= high[1]
    ]
    return Matched(list(mine.items()), lower, upper, outside, (count - len(known)) * step)


def _mean(curve: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    """The mean over a time, with straight lines between the values."""
    times = [begin, *(when for when, _ in _between(curve, begin, end)), end]
    values = [_value(curve, when) for when in times]
    area = math.fsum((b - a) * (v + w) / 2 for (a, b), (v, w) in zip(pairwise(times), pairwise(values), strict=True))
    return area / (end - begin)


def _between(curve: Sequence[tuple[float, float]], begin: float, end: float) -> Iterable[tuple[float, float]]:
    first = bisect_left(curve, (begin, -math.inf))
    last = bisect_left(curve, (end, -math.inf))
    return (point for point in curve[first:last] if begin < point[0] < end)


def _value(curve: Sequence[tuple[float, float]], when: float) -> float:
    place = bisect_left(curve, (when, -math.inf))
    if place == 0:
        return curve[0][1]
    if place == len(curve):
        return curve[-1][1]
    (a, v), (b, w) = curve[place - 1], curve[place]
    return v + (w - v) * (when - a) / (b - a)
