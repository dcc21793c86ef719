"""Draws a timeline as HTML with SVG that stands in Robot's log: no scripts, both of the log's themes, told apart without colours.

Times are percentages of the width, so that the text stays as large as it is at any width. Whatever a device said is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

from .timeline import Group, Lane, Mark, Sign, clock, thinned

MOST_MARKS = 2_000
MOST_BYTES = 200_000
"""Of one timeline; what is more is merged, and stands one by one in the journal's file."""
FEWEST = 16
"""Marks of a lane that are left in any case."""
MOST_POINTS = 400
"""Of a curve."""
CHARACTER = 1.35
"""What a character of a label takes of the width, in percent, where the picture is narrow."""

STYLE = """<style>
.jlt{margin:4px 0;font-family:Helvetica,Arial,sans-serif;white-space:normal;padding-left:8px;max-width:1200px}
.jlt{border-left:3px solid #4a90d9}
.jlt{color:var(--text-color,inherit)}
.jlt summary{cursor:pointer;font-size:12px;color:#607d8b}[data-theme="dark"] .jlt summary{color:#9fb3be}
.jlt-lane{display:flex;align-items:stretch;border-top:1px solid rgba(128,128,128,.25)}
.jlt-name{flex:0 0 104px;width:104px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;align-self:center;font-size:11px}
.jlt-box{overflow-x:auto}.jlt-lane,.jlt-box>*{min-width:560px}
.jlt-lane svg{flex:1 1 0;min-width:0;display:block;font:10px Helvetica,Arial,sans-serif}
.jlt svg text{fill:var(--text-color,currentColor)}.jlt .jlt-grid{stroke:rgba(128,128,128,.25)}
.jlt .jlt-block{fill:rgba(74,144,217,.3);stroke:#4a90d9}.jlt .jlt-failed{fill:rgba(216,69,42,.25);stroke:#d8452a;stroke-width:2}
.jlt .jlt-level{fill:rgba(217,140,31,.25);stroke:#d98c1f}.jlt .jlt-curve{fill:none;stroke:#d98c1f;stroke-width:1.5}
.jlt .jlt-bar{fill:#9268c9;fill-opacity:.6}.jlt .jlt-stage{stroke:var(--text-color,currentColor);stroke-width:1.5}
.jlt .jlt-gap{fill:rgba(128,128,128,.2);stroke:#8a949c;stroke-dasharray:4 3}
.jlt svg .jlt-match{fill:#3f8f2f;font-size:11px}[data-theme="dark"] .jlt svg .jlt-match{fill:#97bd61}
.jlt svg .jlt-hit,.jlt svg .jlt-error,.jlt svg .jlt-cross{fill:#d8452a;font-size:12px;font-weight:bold}
[data-theme="dark"] .jlt svg .jlt-hit,[data-theme="dark"] .jlt svg .jlt-error{fill:#ff9b8f}
[data-theme="dark"] .jlt svg .jlt-cross{fill:#ff9b8f}
.jlt svg .jlt-warning{fill:#927201;font-size:11px}[data-theme="dark"] .jlt svg .jlt-warning{fill:#fed84f}
.jlt-key{font-size:11px;color:#607d8b;margin:2px 0 0 104px}[data-theme="dark"] .jlt-key{color:#9fb3be}
</style>"""
_GLYPHS = {Sign.MATCH: "◆", Sign.HIT: "✖", Sign.WARNING: "△", Sign.ERROR: "▲"}
_KEY = {
    Sign.MATCH: "◆ what a wait found",
    Sign.HIT: "✖ watcher hit",
    Sign.WARNING: "△ warning",
    Sign.ERROR: "▲ error",
    Sign.FAILED: "thick frame with ✖: failed",
    Sign.GAP: "dashed frame: gap",
    Sign.BAR: "bars: output, square root of its bytes",
}
_TALL = frozenset({Sign.LEVEL, Sign.BAR, Sign.STAGE})
"""Signs that make a lane tall."""


def timeline_html(keywords: Lane, groups: Sequence[Group], length: float, *, unfolded: bool) -> str:
    """Returns the timeline of a test.

    Args:
        keywords: the test's own keywords.
        groups: the lanes of its device sessions.
        length: how long the test took, in seconds.
        unfolded: whether it is open from the beginning.
    """
    lanes = 1 + sum(len(group.lanes) for group in groups)
    most = max(MOST_MARKS // lanes, FEWEST)
    while True:
        text = _whole(keywords, groups, length, most, unfolded=unfolded)
        if len(text.encode()) <= MOST_BYTES or most <= FEWEST:
            return text
        most //= 2


def _whole(keywords: Lane, groups: Sequence[Group], length: float, most: int, *, unfolded: bool) -> str:
    drawn = [(group, [thinned(lane, most, length) for lane in group.lanes]) for group in groups]
    top = thinned(keywords, most, length)
    merged = any(mark.count > 1 for lane in (top, *(lane for _, lanes in drawn for lane in lanes)) for mark in lane.marks)
    rows = [_row(top, length)]
    for group, lanes in drawn:
        if len(groups) > 1:
            rows.append(f'<div class="jlt-lane"><b class="jlt-name" style="flex:1">{html.escape(group.alias)}</b></div>')
        rows += [_row(lane, length) for lane in lanes]
    signs = {mark.sign for _, lanes in drawn for lane in lanes for mark in lane.marks} | {mark.sign for mark in top.marks}
    key = " &nbsp; ".join(text for sign, text in _KEY.items() if sign in signs)
    return (
        f'{STYLE}<details class="jlt"{" open" if unfolded else ""}><summary>{_caption(groups, length)}</summary>'
        f'<div class="jlt-box" role="group" aria-label="timeline of the test">{"".join(rows)}{_axis(length)}</div>'
        f'<div class="jlt-key">{key}{_files(groups, merged=merged)}</div></details>'
    )


def _caption(groups: Sequence[Group], length: float) -> str:
    several = len(groups) > 1
    parts = [
        f"{group.alias + ' ' if several else ''}{lane.name}: {lane.summary}"
        for group in groups
        for lane in group.lanes
        if lane.summary and lane.name != "calls"
    ]
    text = "; ".join(parts)
    return f"timeline of {clock(length)}{html.escape(f': {text}'[:300]) if text else ''}"


def _files(groups: Sequence[Group], *, merged: bool) -> str:
    links = [f'<a href="{group.file}">journal of {html.escape(group.alias)}</a>' for group in groups if group.file]
    lost = sum(group.left_out for group in groups)
    said = f"{lost} events had left memory" if lost else "neighbours that lie too close are merged" if merged else ""
    if not links:
        return f"<br>{said}" if said else ""
    return f"<br>{said + '; ' if said else ''}each event: {', '.join(links)}"


# ------------------------------------------------------------------------------------------------------------------ lanes


def _row(lane: Lane, length: float) -> str:
    tall = bool(lane.curve) or any(mark.sign in _TALL for mark in lane.marks)
    height = 36 if tall else 18
    name = html.escape(lane.name)
    label = html.escape(f"{lane.name}: {lane.summary}", quote=True)
    place = _Places(length)
    inside = [_grid(length, height)]
    free = _Labels()
    # What is drawn last is on top: first areas, then lines, then signs.
    for signs in ((Sign.GAP, Sign.LEVEL, Sign.BAR), (Sign.BLOCK, Sign.FAILED), (Sign.STAGE,), tuple(_GLYPHS)):
        inside += [_mark(mark, place, height, free) for mark in lane.marks if mark.sign in signs]
        if Sign.LEVEL in signs and lane.curve:
            free.take(100 - 16 * CHARACTER, 100)  # for how high it goes
            inside.append(_curve(lane.curve, length, height))
    return (
        f'<div class="jlt-lane"><span class="jlt-name" title="{label}">{name}</span>'
        f'<svg role="img" aria-label="{label}" height="{height}">{"".join(inside)}</svg></div>'
    )


class _Places:
    def __init__(self, length: float) -> None:
        self._length = max(length, 1e-6)

    def percent(self, seconds: float) -> float:
        return min(max(seconds / self._length * 100, 0.0), 100.0)


class _Labels:
    """Where labels of a lane stand already; none is put upon another."""

    def __init__(self) -> None:
        self._taken: list[tuple[float, float]] = []

    def take(self, begin: float, end: float) -> bool:
        if begin < 0 or end > 100 or any(begin < e and b < end for b, e in self._taken):
            return False
        self._taken.append((begin, end))
        return True


def _mark(mark: Mark, place: _Places, height: int, free: _Labels) -> str:
    left, right = place.percent(mark.begin), place.percent(mark.end)
    title = f"<title>{html.escape(mark.title)}</title>"
    if glyph := _GLYPHS.get(mark.sign):
        x = min(max(left, 0.8), 99.2)
        y = height - 4 if height > 20 else height - 5
        return f'<text class="jlt-{mark.sign.value}" x="{x:.2f}%" y="{y}" text-anchor="middle">{glyph}{title}</text>'
    if mark.sign is Sign.STAGE:
        return _stage(mark, left, height, free, title)
    width = max(right - left, 0.0)
    # A block shorter than a few pixels would not be seen: then it is as wide as that, whatever the width of all is.
    wide = f"{width:.2f}%" if width > 0.4 else "3"
    left = min(left, 99.6)
    top, tall = 2, height - 4
    if mark.sign is Sign.BAR:
        tall = max(int((height - 12) * mark.height), 2)
        top = height - tall
    shape = f'<rect class="jlt-{mark.sign.value}" x="{left:.2f}%" y="{top}" width="{wide}" height="{tall}">{title}</rect>'
    return shape + _inside(mark, left, left + width, height, free)


def _inside(mark: Mark, left: float, right: float, height: int, free: _Labels) -> str:
    cross = mark.sign is Sign.FAILED
    text = f"✖ {mark.text}" if cross else mark.text
    if not text or mark.sign is Sign.BAR:
        return ""
    room = int((right - left - 0.8) / CHARACTER)
    if mark.sign in {Sign.BLOCK, Sign.FAILED} and room < 3:
        return _cross(left, height) if cross else ""
    shown = text if len(text) <= room else f"{text[: max(room - 1, 1)]}…"
    if not free.take(left, left + len(shown) * CHARACTER):
        return ""
    y = 11 if height > 20 else height - 5
    return f'<text x="{left + 0.5:.2f}%" y="{y}" pointer-events="none">{html.escape(shown)}</text>'


def _cross(left: float, height: int) -> str:
    return f'<text class="jlt-cross" x="{left:.2f}%" y="{height - 4}" dx="4" pointer-events="none">✖</text>'


def _stage(mark: Mark, left: float, height: int, free: _Labels, title: str) -> str:
    line = f'<line class="jlt-stage" x1="{left:.2f}%" x2="{left:.2f}%" y1="0" y2="{height}">{title}</line>'
    size = len(mark.text) * CHARACTER
    if free.take(left, left + size):
        return f'{line}<text x="{left:.2f}%" dx="3" y="10">{html.escape(mark.text)}{title}</text>'
    if free.take(left - size, left):
        return f'{line}<text x="{left:.2f}%" dx="-3" y="10" text-anchor="end">{html.escape(mark.text)}{title}</text>'
    return line


def _curve(points: Sequence[tuple[float, float]], length: float, height: int) -> str:
    highest = max((watt for _, watt in points), default=0.0)
    scale = max(highest, 1e-9)
    drawn = " ".join(
        f"{when / max(length, 1e-6) * 1000:.1f},{100 - 88 * max(watt, 0.0) / scale:.1f}" for when, watt in _decimated(points)
    )
    dots = "".join(
        f'<circle cx="{when / max(length, 1e-6) * 100:.2f}%" cy="{(100 - 88 * max(watt, 0.0) / scale) * height / 100:.1f}" r="2" '
        f'fill="#d98c1f"><title>{watt:.3f} W at {clock(when)}</title></circle>'
        for when, watt in (points if len(points) <= 60 else ())
    )
    return (
        f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" width="100%" height="{height}">'
        f'<polyline class="jlt-curve" vector-effect="non-scaling-stroke" points="{drawn}">'
        f"<title>power, up to {highest:.3f} W</title></polyline></svg>{dots}"
        f'<text x="100%" dx="-3" y="10" text-anchor="end">{highest:.2f} W at most</text>'
    )


def _decimated(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Fewer points that look the same: of each piece the lowest and the highest, so that no peak is lost."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = -(-len(points) // (MOST_POINTS // 2))
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        piece = points[start : start + size]
        low, high = min(piece, key=_watt), max(piece, key=_watt)
        kept += sorted({low, high})
    return kept


def _watt(point: tuple[float, float]) -> float:
    return point[1]


# ------------------------------------------------------------------------------------------------------------------- axis

_STEPS = (1, 2, 5)


def _ticks(length: float) -> list[float]:
    """At most seven round times."""
    step: Callable[[int], float] = lambda n: _STEPS[n % 3] * 10.0 ** (n // 3 - 3)  # noqa: E731 - one line says it
    size = next(step(n) for n in range(40) if length / step(n) <= 6)
    return [size * n for n in range(int(length / size) + 1)]


def _grid(length: float, height: int) -> str:
    place = _Places(length)
    lines = (
        f'<line class="jlt-grid" x1="{p:.2f}%" x2="{p:.2f}%" y1="0" y2="{height}"/>' for p in map(place.percent, _ticks(length))
    )
    return "".join(lines)


def _axis(length: float) -> str:
    place, texts = _Places(length), []
    for tick in _ticks(length):
        p = place.percent(tick)
        anchor = "start" if p < 4 else "end" if p > 94 else "middle"
        texts.append(f'<text x="{p:.2f}%" y="11" text-anchor="{anchor}">{tick:g} s</text>')
    return (
        '<div class="jlt-lane"><span class="jlt-name"></span>'
        f'<svg role="img" aria-label="seconds since the test began" height="14">{"".join(texts)}</svg></div>'
    )
