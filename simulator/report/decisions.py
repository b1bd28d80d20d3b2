"""The pictures of what a plan was asked to compare: the curve of a sweep and the tornado of a sensitivity, in HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from simulator.planning import duration
from simulator.report.text import WINDOWS

if TYPE_CHECKING:
    from simulator.planning import Plan
    from simulator.sensitivity import Influence, Sensitivity
    from simulator.statistics import Interval, Summary
    from simulator.sweep import Sweep

_MOST = 10  # parameters in a tornado

Line = tuple[str, str, Sequence["float | None"], Sequence["Interval | None"]]
"""Of a chart: its name, its class, and a value with its interval for each place."""


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>"


def _seconds(value: float | None) -> str:
    return "never" if value is None else duration(value)


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


# --- sweeps -----------------------------------------------------------------------------------------------


def sweep(found: Sweep) -> str:
    """Table and curves of a sweep."""
    values = [point.value for point in found.points]
    summaries = [point.windows[found.window] for point in found.points]
    window = WINDOWS[found.window].strip()
    lengths: list[Line] = [
        ("P90", "second", [each.p90 for each in summaries], [each.intervals["p90"] for each in summaries]),
        ("P50", "line", [each.p50 for each in summaries], [each.intervals["p50"] for each in summaries]),
    ]
    peaks = [point.unavailable.peak for point in found.points]
    means = [point.unavailable.mean for point in found.points]
    off: list[Line] = [
        ("the most", "second", [each.value for each in peaks], [each.interval for each in peaks]),
        ("on average", "line", [each.value for each in means], [each.interval for each in means]),
    ]
    rows = "".join(
        f'<tr><th scope="row">{escape(point.value)}</th>'
        f"<td>{_cell(summary, 'p50')}</td><td>{_cell(summary, 'p90')}</td>"
        f"<td>{_count(peak.value)}</td><td>{_count(mean.value)}</td></tr>"
        for point, summary, peak, mean in zip(found.points, summaries, peaks, means, strict=True)
    )
    runs = max(point.replications for point in found.points)
    return _section(
        f"At other values of {found.name}",
        f'<p class="note">{runs:,} runs of each value with the same draws; intervals are of 95 %.</p>'
        f'<div class="pair"><figure><figcaption>{escape(window)}</figcaption>{_chart(values, lengths, _seconds)}'
        f"{_legend(lengths)}</figure><figure><figcaption>nodes without calico-node at once</figcaption>"
        f"{_chart(values, off, _count)}{_legend(off)}"
        f'</figure></div><div class="wide"><table><thead><tr><th scope="col">{escape(found.name)}</th>'
        '<th scope="col">P50</th><th scope="col">P90</th><th scope="col">nodes off at once, the most</th>'
        f'<th scope="col">on average</th></tr></thead><tbody>{rows}</tbody></table></div>',
    )


def _cell(summary: Summary, name: str) -> str:
    value: float | None = getattr(summary, name)
    ends = summary.intervals[name]
    small = "" if ends is None else f"<small>{escape(_seconds(ends[0]))} to {escape(_seconds(ends[1]))}</small>"
    return f"{escape(_seconds(value))}{small}"


def _legend(lines: Sequence[Line]) -> str:
    return _swatches({name: "low" if kind == "second" else "high" for name, kind, *_ in lines})


def _swatches(kinds: Mapping[str, str]) -> str:
    items = "".join(f'<li><span class="swatch {kind}"></span>{escape(name)}</li>' for name, kind in kinds.items())
    return f'<ul class="legend">{items}</ul>'


def _chart(values: Sequence[str], lines: Sequence[Line], shown: Callable[[float | None], str]) -> str:
    """Lines over values side by side, with an upright mark for each interval."""
    left, right, top, depth = 76, 350, 18, 140
    highest = max((value for _, _, heights, _ in lines for value in heights if value is not None), default=0.0) or 1.0
    tops = [end for *_, intervals in lines for ends in intervals if ends is not None for end in ends if end is not None]
    highest = max([highest, *tops])

    def x(place: int) -> float:
        return left + 14 + (right - left - 28) * (place / (len(values) - 1) if len(values) > 1 else 0.5)

    def y(value: float) -> float:
        return top + depth * (1 - value / highest)

    parts = []
    for share in (0.0, 0.5, 1.0):
        parts.append(f'<path class="grid" d="M{left} {y(share * highest):.1f}H{right}"/>')
        parts.append(
            f'<text class="label" x="{left - 5}" y="{y(share * highest) + 4:.1f}">{escape(shown(share * highest))}'
            "</text>"
        )
    spoken = []
    for name, kind, heights, intervals in lines:
        points = [(x(place), y(value)) for place, value in enumerate(heights) if value is not None]
        if points:
            path = "L".join(f"{across:.1f} {down:.1f}" for across, down in points)
            parts.append(f'<path class="{kind}" d="M{path}"/>')
        marks = "".join(
            f"M{x(place):.1f} {y(ends[0]):.1f}V{y(highest if ends[1] is None else ends[1]):.1f}"
            for place, ends in enumerate(intervals)
            if ends is not None and ends[0] is not None
        )
        parts.append(f'<path class="whisker" d="{marks}"/>' if marks else "")
        for place, value in enumerate(heights):
            if value is not None:
                parts.append(
                    f'<circle cx="{x(place):.1f}" cy="{y(value):.1f}" r="3"><title>{escape(values[place])}: {name} '
                    f"{escape(shown(value))}</title></circle>"
                )
        listed = ", ".join(f"{value}: {shown(height)}" for value, height in zip(values, heights, strict=True))
        spoken.append(f"{name}, {listed}")
    every = -(-len(values) // 8)
    parts += [
        f'<text class="tick" x="{x(place):.1f}" y="{top + depth + 16}">{escape(value)}</text>'
        for place, value in enumerate(values)
        if place % every == 0
    ]
    return (
        f'<svg viewBox="0 0 {right + 10} {top + depth + 24}" role="img" aria-label="{escape("; ".join(spoken))}">'
        f"{''.join(parts)}</svg>"
    )


# --- tornado ----------------------------------------------------------------------------------------------


def tornado(plan: Plan) -> str:
    """Which parameter moves the P90 most, of the windows that matter; empty: it was not asked for."""
    found = plan.sensitivity
    if found is None:
        return ""
    windows = [found.window, *(name for name in ("policy_freeze_enforcement", "total") if name in found.base)]
    pictures = "".join(
        f"<figure><figcaption>{escape(WINDOWS[name].strip())}</figcaption>{picture}</figure>"
        for name in dict.fromkeys(windows)
        if (picture := _tornado(found, name))
    )
    if not pictures:
        return ""
    return _section(
        "What to measure first",
        '<p class="note">The P90 with each parameter alone at the P10 and at the P90 of what is known of it, all else '
        f"the same; {found.replications:,} runs with the same draws. The line is the plan's own.</p>"
        f'<div class="pair">{pictures}</div>{_swatches({"at its P10": "low", "at its P90": "high"})}',
    )


def _tornado(found: Sensitivity, window: str) -> str:
    base = found.base[window].value
    shown = found.of(window)[:_MOST]
    if base is None or not shown:
        return ""
    ends = [end.value or base for each in shown for end in each.windows[window]]
    low, high = min([base, *ends]), max([base, *ends])
    left, right, row = 112, 350, 18

    def x(value: float) -> float:
        return left + (right - left) * (value - low) / ((high - low) or 1.0)

    parts = [part for place, each in enumerate(shown) for part in _bars(each, window, base, 4 + row * place, x)]
    depth = 4 + row * len(shown)
    parts.append(f'<path class="axis" d="M{x(base):.1f} 0V{depth}"/>')
    parts += [
        f'<text class="{anchor}" x="{at}" y="{depth + 14}">{escape(duration(value))}</text>'
        for value, at, anchor in ((low, left + 30, "tick"), (high, right, "label"))
    ]
    spoken = "; ".join(
        f"{each.parameter.name}: {_seconds(each.windows[window][0].value)} to {_seconds(each.windows[window][1].value)}"
        for each in shown
    )
    return f'<svg viewBox="0 0 360 {depth + 20}" role="img" aria-label="{escape(spoken)}">{"".join(parts)}</svg>'


def _bars(each: Influence, window: str, base: float, y: float, x: Callable[[float], float]) -> Iterator[str]:
    yield f'<text class="name" x="106" y="{y + 11:.0f}">{escape(each.parameter.name)}</text>'
    unit = each.parameter.unit
    for kind, end, distribution in (
        ("low", each.windows[window][0], each.ends.low),
        ("high", each.windows[window][1], each.ends.high),
    ):
        if end.value is None:
            continue
        begin, width = min(x(base), x(end.value)), max(0.5, abs(x(end.value) - x(base)))
        yield (
            f'<rect class="{kind}" x="{begin:.1f}" y="{y:.0f}" width="{width:.1f}" height="13"><title>'
            f"{escape(each.parameter.name)} {distribution.median:.3g} {escape(unit)}: P90 {escape(_seconds(end.value))}"
            "</title></rect>"
        )
