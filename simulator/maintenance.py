"""Maintenance windows: does the upgrade fit, and when must it begin at the latest?

A window is written as `2026-12-05T02:00/04:00 Europe/Berlin`: its begin, its end (a time of day, the same day or the
next; a whole date and time; or a length such as `PT4H`), and the time zone. Lengths are real ones: a window over the
change of the clocks is an hour longer or shorter than the clock says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from simulator.statistics import CONFIDENCE, clopper_pearson, interval_ranks, quantile
from simulator.verdicts import gate

_FORM = "2026-12-05T02:00/04:00 Europe/Berlin, the end as a time, a date and time, or a length such as PT4H"
_DATE = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"\d{2}:\d{2}(?::\d{2})?"
_WINDOW = re.compile(rf"\s*({_DATE})[T ]({_CLOCK})\s*/\s*(?:({_DATE})[T ])?({_CLOCK}|P\S+)(?:\s+(\S+))?\s*\Z")
_LENGTH = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?\Z")


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """From `start` to `end`, both with the time zone that was asked for; `text` is how it was written."""

    text: str
    start: datetime
    end: datetime

    @property
    def length(self) -> float:
        """Seconds that really pass in it."""
        return (self.end.astimezone(UTC) - self.start.astimezone(UTC)).total_seconds()

    @property
    def clock_change(self) -> bool:
        """Whether the clocks are changed within it."""
        return self.start.utcoffset() != self.end.utcoffset()


@dataclass(frozen=True, slots=True)
class WindowAnswer:
    """How a window fits: `probability` to be finished inside when `kops update` is done at its start, with its
    `interval` (95 % unless another confidence was asked for). `latest_start` is the last begin at which the accepted
    risk is kept, by the upper end of the quantile's interval; None: not even at the start, or too few runs to say.
    """

    window: MaintenanceWindow
    probability: float
    interval: tuple[float, float]
    latest_start: datetime | None
    risk: float
    typical: float
    """the median run, in seconds; infinite: without end"""

    @property
    def verdict(self) -> str:
        """As of a budget: what the interval of P(longer than the window) says about the accepted risk."""
        low, high = self.interval
        return gate((1.0 - high, 1.0 - low), self.risk)

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        window = self.window
        return {
            "window": window.text,
            "start": window.start.isoformat(),
            "end": window.end.isoformat(),
            "length": window.length,
            "clock_change": window.clock_change,
            "probability": self.probability,
            "interval": list(self.interval),
            "latest_start": None if self.latest_start is None else self.latest_start.isoformat(),
            "risk": self.risk,
            "verdict": self.verdict,
        }


def parse_window(text: str) -> MaintenanceWindow:
    """A window as `--maintenance-window` takes it. Raises ValueError that says what is wrong with it."""
    match = _WINDOW.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no maintenance window: write {_FORM}")
    day, begin, last_day, finish, zone_name = match.groups()
    zone = _zone(zone_name or "UTC", text)
    start = _instant(day, begin, zone, text)
    if finish.startswith("P") and last_day is not None:
        raise ValueError(f"{text!r}: a length has no date: write {_FORM}")
    try:
        if finish.startswith("P"):
            end = (start.astimezone(UTC) + _length(finish, text)).astimezone(zone)
        else:
            end = _instant(last_day or day, finish, zone, text)
            if last_day is None and end <= start:
                end = _instant((start.date() + timedelta(days=1)).isoformat(), finish, zone, text)
    except OverflowError as error:
        raise ValueError(f"{text!r}: {error}") from None
    window = MaintenanceWindow(text.strip(), start, end)
    if window.length <= 0:
        raise ValueError(f"{text!r}: it ends before it begins")
    return window


def _zone(name: str, text: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{text!r}: {name!r} is no time zone of this machine; write one as Europe/Berlin or UTC (Windows needs the "
            "tzdata package)"
        ) from None


def _instant(day: str, clock: str, zone: tzinfo, text: str) -> datetime:
    """A moment of the wall clock that exists: at the change to summer time an hour does not."""
    try:
        local = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone)
        exists = local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r}: {error}") from None
    if not exists:
        raise ValueError(f"{text!r}: the clocks in {zone} skip {day} {clock}; begin before or after the change")
    return local


def _length(text: str, whole: str) -> timedelta:
    match = _LENGTH.match(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"{whole!r}: {text!r} is no length: write PT4H, PT90M or P1DT2H")
    days, hours, minutes = (int(part or 0) for part in match.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes)
    except OverflowError:
        raise ValueError(f"{whole!r}: {text!r} is too long") from None


def fit(
    window: MaintenanceWindow, totals: Sequence[float], risk: float, confidence: float = CONFIDENCE
) -> WindowAnswer:
    """How the window fits runs of these lengths (seconds from the end of `kops update`; infinite: without end)."""
    inside = sum(total <= window.length for total in totals)
    low, high = clopper_pearson(inside, len(totals), confidence)
    needed = _needed(totals, 1.0 - risk, confidence)
    latest = None
    if needed is not None and needed <= window.length:
        start = window.end.astimezone(UTC) - timedelta(seconds=math.ceil(needed))
        latest = start.astimezone(window.start.tzinfo)
    return WindowAnswer(window, inside / len(totals), (low, high), latest, risk, sorted(totals)[(len(totals) - 1) // 2])


def _needed(totals: Sequence[float], share: float, confidence: float) -> float | None:
    """Seconds that are enough in this share of the cases, by the upper end of the quantile's interval.

    Where the runs are too few for an interval, or the end is infinite, there is no such number.
    """
    ordered = sorted(totals)
    ranks = interval_ranks(len(ordered), share, confidence)
    if ranks is None:
        return None
    upper = ordered[ranks[1] - 1]
    estimate = quantile(ordered, share)
    return upper if math.isfinite(upper) and estimate is not None else None
