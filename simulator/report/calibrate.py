"""What a calibration found: observed against fitted, and what stayed as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from simulator.calibrate import STAGES, Fit, Seen
from simulator.planning import duration
from simulator.report.lines import shown, wrapped


def render_json(seen: Seen, fits: Sequence[Fit]) -> str:
    """One JSON object with a newline at its end."""
    data = {
        "version": 1,
        "parameters": [
            {
                "name": fit.name,
                "distribution": f"lognormal({fit.median:.6g}, {fit.sigma:.6g})",
                "count": fit.count,
                "observations": fit.observations,
                "median": round(fit.median, 6),
                "median_interval": [round(end, 6) for end in fit.median_interval],
                "sigma": round(fit.sigma, 6),
                "observed": {"p50": round(fit.seen_p50, 3), "p90": round(fit.seen_p90, 3)},
                "fitted": {"p50": round(fit.quantile(0.5), 3), "p90": round(fit.quantile(0.9), 3)},
                "default_median": STAGES[fit.name].median,
                "poor": fit.poor,
            }
            for fit in fits
        ],
        "default": [name for name in STAGES if name not in {fit.name for fit in fits}],
        "cached": seen.cached,
        "notes": seen.notes,
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def render_text(seen: Seen, fits: Sequence[Fit]) -> str:
    """A table, then what to know about it."""
    return "".join(f"{shown(line)}\n" for line in _lines(seen, fits))


def _lines(seen: Seen, fits: Sequence[Fit]) -> Iterator[str]:
    yield f"{'parameter':20} {'seen':>5}   {'observed P50, P90':>20}   {'fitted P50 (95%), P90':>34}   {'default':>8}"
    for fit in fits:
        low, high = fit.median_interval
        observed = f"{duration(fit.seen_p50)}, {duration(fit.seen_p90)}"
        fitted = f"{duration(fit.median)} ({duration(low)} to {duration(high)}), {duration(fit.quantile(0.9))}"
        yield f"{fit.name:20} {fit.count:5}   {observed:>20}   {fitted:>34}   {duration(STAGES[fit.name].median):>8}"
    yield ""
    for fit in fits:
        if fit.poor:
            yield from wrapped(
                "mind: ", f"{fit.name} does not look lognormal; were some images cached, or two kinds of nodes mixed?"
            )
    for name, count in seen.cached.items():
        yield from wrapped("mind: ", f"{name}: {count} pulls found the image on the node already, and were left out")
    for note in seen.notes:
        yield from wrapped("mind: ", note)
    missing = [name for name in STAGES if name not in {fit.name for fit in fits}]
    if missing:
        yield from wrapped("not seen, so as in the default profile: ", ", ".join(missing))
