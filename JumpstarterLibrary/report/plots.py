"""Plots of what a supply delivered, as SVG that stands in Robot's log: no scripts, both of its themes, told without colours."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Points = Sequence[tuple[float, float]]

MOST_PIECES = 300
"""Of the width; of each the lowest and the highest value of a curve are drawn, so that no peak is lost."""
COLUMNS = 96
"""Places that tell their time and value to those who point at them."""
MOST_MARKS = 60
WIDTH, HEIGHT = 720.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 10.0, 12.0, 32.0

_STYLE = """<style>
.jlp{margin:4px 0;padding-left:8px;border-left:3px solid #d98c1f;max-width:780px}
.jlp{font-family:Helvetica,Arial,sans-serif;white-space:normal}
.jlp{color:var(--text-color,inherit)}.jlp figcaption{font-size:12px;overflow-wrap:anywhere}.jlp div{overflow-x:auto}
.jlp svg{display:block;width:100%;min-width:520px;height:auto;font:11px Helvetica,Arial,sans-serif}
.jlp svg text{fill:var(--text-color,currentColor)}.jlp-axis{stroke:var(--text-color,currentColor);stroke-width:1}
.jlp-grid{stroke:rgba(128,128,128,.3)}.jlp-curve{fill:none;stroke:#d98c1f;stroke-width:1.8;stroke-linejoin:round}
.jlp-band{fill:rgba(74,144,217,.2);stroke:#4a90d9;stroke-dasharray:5 3}
.jlp-limit{stroke:var(--text-color,currentColor);stroke-width:1.2;stroke-dasharray:8 4}
.jlp-gap{fill:rgba(128,128,128,.22);stroke:#8a949c;stroke-dasharray:3 3}
.jlp-event{stroke:var(--text-color,currentColor);stroke-dasharray:2 3}
.jlp-cross{stroke:#d8452a;stroke-width:2.4;fill:none}[data-theme="dark"] .jlp-cross{stroke:#ff9b8f}
.jlp-column{fill:transparent}.jlp-column:hover{fill:rgba(128,128,128,.25)}
</style>"""


@dataclass(slots=True)
class Plot:
    """What a plot shows. Times are seconds."""

    quantity: str
    """Such as `power`."""
    unit: str
    curve: Points
    caption: str
    """The main facts, for those who do not see the picture, too."""
    lower: Points = ()
    """Lower edge of the envelope."""
    upper: Points = ()
    limits: Sequence[tuple[str, float]] = ()
    """Horizontal lines with their names."""
    events: Sequence[tuple[str, float]] = ()
    """Vertical lines with their names."""
    gaps: Sequence[tuple[float, float]] = ()
    outside: Points = field(default=())
    """Values that are marked as wrong."""


def plot_html(plot: Plot) -> str:
    """Returns a plot for Robot's log."""
    points = [*plot.curve, *plot.lower, *plot.upper]
    times = [when for when, _ in points] + [when for gap in plot.gaps for when in gap]
    values = [value for _, value in points] + [value for _, value in plot.limits]
    if not times:
        return f'{_STYLE}<figure class="jlp"><figcaption>{html.escape(plot.caption)}</figcaption></figure>'
    highest, lowest = max(0.0, *values), min(0.0, *values)
    # Room above for the names of events; a device that draws nothing has an axis all the same.
    up = _scale(lowest, highest + 0.15 * (highest - lowest) if highest > lowest else 1.0)
    across = _scale(min(times), max(times))
    area, gaps = _Area(across, up), _joined(plot.gaps, (across.high - across.low) / MOST_MARKS)
    parts = [_axes(area, plot), *(_gap(area, gap) for gap in gaps), _band(area, plot)]
    parts += [_limit(area, name, value, plot.unit) for name, value in plot.limits]
    parts += [_event(area, name, when) for name, when in plot.events]
    parts += [
        _curve(area, plot.curve, gaps),
        *(_cross(area, point, plot.unit) for point in plot.outside[:MOST_MARKS]),
        *_columns(area, plot),
    ]
    caption = html.escape(plot.caption)
    return (
        f'{_STYLE}<figure class="jlp"><figcaption>{caption}{_key(plot)}</figcaption><div>'
        f'<svg role="img" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}"><title>{html.escape(plot.quantity)} over time</title>'
        f"<desc>{caption}</desc>{''.join(parts)}</svg></div></figure>"
    )


def _key(plot: Plot) -> str:
    parts = ["solid line: this run"] if plot.upper else []
    parts += ["band with dashed edges: envelope of the signature"] if plot.upper else []
    parts += ["✕: outside"] if plot.outside else []
    parts += ["dashed box: nobody measured"] if plot.gaps else []
    return f"<br>{html.escape('; '.join(parts))}" if parts else ""


# ------------------------------------------------------------------------------------------------------------------ scales


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    ticks: tuple[float, ...]


def _scale(low: float, high: float) -> _Scale:
    if high - low <= max(abs(high), abs(low), 1e-6) * 1e-9:
        high = low + max(abs(low), 1e-3)
    span = high - low
    size = 10.0 ** math.floor(math.log10(span / 5))
    size = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= 6)
    first, last = math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9)
    return _Scale(low, high, tuple(n * size for n in range(first, last + 1)))


@dataclass(frozen=True, slots=True)
class _Area:
    across: _Scale
    up: _Scale

    def x(self, when: float) -> float:
        share = (when - self.across.low) / (self.across.high - self.across.low)
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(share, 0.0), 1.0)

    def y(self, value: float) -> float:
        share = (value - self.up.low) / (self.up.high - self.up.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(share, 0.0), 1.0)

    def path(self, points: Points) -> str:
        return " ".join(f"{self.x(when):.1f},{self.y(value):.1f}" for when, value in points)


def _axes(area: _Area, plot: Plot) -> str:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for tick in area.up.ticks:
        y = area.y(tick)
        parts.append(f'<line class="jlp-grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{_short(tick)}</text>')
    for tick in area.across.ticks:
        x = area.x(tick)
        parts.append(f'<line class="jlp-grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>')
        anchor = "end" if x > right - 12 else "middle"
        parts.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="{anchor}">{_short(tick)}</text>')
    middle = (LEFT + right) / 2
    return (
        "".join(parts)
        + f'<line class="jlp-axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
        + f'<line class="jlp-axis" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{bottom}"/>'
        + f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">seconds</text>'
        + f'<text x="12" y="{(TOP + bottom) / 2}" text-anchor="middle" '
        + f'transform="rotate(-90 12 {(TOP + bottom) / 2})">{html.escape(plot.quantity)} in {html.escape(plot.unit)}</text>'
    )


def _short(value: float) -> str:
    return f"{value:.6g}" if value else "0"


# ------------------------------------------------------------------------------------------------------------------- parts


def decimated(points: Points, most: int = MOST_PIECES) -> list[tuple[float, float]]:
    """Fewer points that look the same: of each piece the lowest and the highest."""
    if len(points) <= 2 * most:
        return list(points)
    size = -(-len(points) // most)
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        piece = points[start : start + size]
        kept += sorted({min(piece, key=_value), max(piece, key=_value)})
    return kept


def _value(point: tuple[float, float]) -> float:
    return point[1]


def _joined(gaps: Sequence[tuple[float, float]], nearest: float) -> list[tuple[float, float]]:
    """The gaps; those that lie so close that nobody sees anything between them are one."""
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(gaps):
        if joined and begin - joined[-1][1] < nearest:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def _curve(area: _Area, curve: Points, gaps: Points) -> str:
    """The curve, broken where there are gaps."""
    pieces: list[list[tuple[float, float]]] = [[]]
    edges = [begin for begin, _ in gaps]
    for point in curve:
        before = pieces[-1][-1][0] if pieces[-1] else None
        if before is not None and any(before <= edge < point[0] for edge in edges):
            pieces.append([])
        pieces[-1].append(point)
    share = max(MOST_PIECES // len(pieces), 2)
    return "".join(
        f'<polyline class="jlp-curve" points="{area.path(decimated(piece, share))}"/>' for piece in pieces[:MOST_MARKS]
    )


def _band(area: _Area, plot: Plot) -> str:
    if not plot.upper:
        return ""
    size = -(-len(plot.upper) // MOST_PIECES)
    upper = [_extreme(plot.upper[n : n + size], max) for n in range(0, len(plot.upper), size)]
    lower = [_extreme(plot.lower[n : n + size], min) for n in range(0, len(plot.lower), size)]
    return f'<polygon class="jlp-band" points="{area.path(upper)} {area.path(lower[::-1])}"/>'


def _extreme(piece: Points, choose: Callable[..., tuple[float, float]]) -> tuple[float, float]:
    return piece[0][0], choose(piece, key=_value)[1]


def _gap(area: _Area, gap: tuple[float, float]) -> str:
    x, width = area.x(gap[0]), max(area.x(gap[1]) - area.x(gap[0]), 2)
    title = f"<title>nobody measured from {gap[0]:.2f} s to {gap[1]:.2f} s</title>"
    return f'<rect class="jlp-gap" x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - TOP - BOTTOM}">{title}</rect>'


def _limit(area: _Area, name: str, value: float, unit: str) -> str:
    y = area.y(value)
    text_y = y - 3 if y > TOP + 14 else y + 12
    text = html.escape(f"{name} {_short(value)} {unit}")
    return (
        f'<line class="jlp-limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{WIDTH - RIGHT - 2}" y="{text_y:.1f}" text-anchor="end">{text}</text>'
    )


def _event(area: _Area, name: str, when: float) -> str:
    x = area.x(when)
    end, shift = ("end", -3) if x > WIDTH - 90 else ("start", 3)
    return (
        f'<line class="jlp-event" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text x="{x + shift:.1f}" y="{TOP + 9}" text-anchor="{end}">{html.escape(name)}</text>'
    )


def _cross(area: _Area, point: tuple[float, float], unit: str) -> str:
    x, y = area.x(point[0]), area.y(point[1])
    title = f"<title>outside at {point[0]:.3f} s: {point[1]:.4g} {html.escape(unit)}</title>"
    return f'<path class="jlp-cross" d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8">{title}</path>'


def _columns(area: _Area, plot: Plot) -> list[str]:
    """What those are told who point somewhere: the values there."""
    width = (area.across.high - area.across.low) / COLUMNS
    found: dict[int, list[tuple[float, float]]] = {}
    for point in plot.curve:
        found.setdefault(min(int((point[0] - area.across.low) / width), COLUMNS - 1), []).append(point)
    drawn = []
    for place, points in sorted(found.items()):
        values = [value for _, value in points]
        low, high = f"{min(values):.4g}", f"{max(values):.4g}"
        told = f"{points[0][0]:.2f} s: {low if low == high else f'{low} to {high}'} {html.escape(plot.unit)}"
        x, wide = area.x(area.across.low + place * width), (WIDTH - LEFT - RIGHT) / COLUMNS
        drawn.append(
            f'<rect class="jlp-column" x="{x:.1f}" y="{TOP}" width="{wide:.1f}" height="{HEIGHT - TOP - BOTTOM}">'
            f"<title>{told}</title></rect>"
        )
    return drawn
