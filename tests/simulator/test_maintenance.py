"""Maintenance windows: reading them, the change of the clocks, and whether an upgrade fits."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.maintenance import fit, parse_window


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("2026-12-05T02:00/04:00 Europe/Berlin", 2),
        ("2026-12-05T02:00/04:00", 2),
        ("2026-12-05 22:30/02:00 America/New_York", 3.5),
        ("2026-12-05T22:00/2026-12-07T22:00 UTC", 48),
        ("2026-12-05T02:00/PT90M Asia/Kolkata", 1.5),
        ("2026-12-05T02:00/P1DT2H UTC", 26),
        # The clocks go back at 3:00 and forward at 2:00.
        ("2026-10-25T01:00/05:00 Europe/Berlin", 5),
        ("2026-03-29T01:00/05:00 Europe/Berlin", 3),
        ("2026-03-29T01:00/PT4H Europe/Berlin", 4),
    ],
)
def test_lengths(text: str, hours: float) -> None:
    window = parse_window(text)
    assert window.length == hours * 3600
    assert window.clock_change == ("-10-25" in text or "-03-29" in text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no maintenance window"),
        ("tomorrow", "no maintenance window"),
        ("2026-13-05T02:00/04:00 UTC", "month"),
        ("2026-12-05T25:00/04:00 UTC", "hour"),
        ("2026-12-05T02:00/04:00 Mars/Olympus", "no time zone"),
        ("2026-12-05T02:00/04:00 ../../etc/passwd", "no time zone"),
        ("2026-12-05T02:00/2026-12-04T04:00 UTC", "ends before"),
        ("2026-12-05T02:00/2026-12-06TPT4H UTC", "no date"),
        ("2026-12-05T02:00/PTX UTC", "no length"),
        ("2026-12-05T02:00/PT0H UTC", "ends before"),
        ("2026-03-29T02:30/05:00 Europe/Berlin", "skip"),
        ("9999-12-31T23:00/01:00 UTC", "range"),
        ("9999-12-31T23:00/P99999999999D UTC", "too long"),
    ],
)
def test_what_is_none(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        parse_window(text)


@given(st.text(max_size=60))
def test_any_text_is_a_window_or_an_error(text: str) -> None:
    try:
        window = parse_window(text)
    except ValueError:
        return
    assert window.length > 0


lengths = st.lists(st.floats(1, 20_000) | st.just(math.inf), min_size=1, max_size=600)


@given(lengths, st.sampled_from([0.0, 0.01, 0.05, 0.5]))
def test_the_answer_is_what_it_says(totals: list[float], risk: float) -> None:
    window = parse_window("2026-12-05T02:00/04:00 Europe/Berlin")
    answer = fit(window, totals, risk)
    assert answer.interval[0] <= answer.probability <= answer.interval[1]
    assert answer.probability == sum(total <= 7200 for total in totals) / len(totals)
    if answer.latest_start is None:
        return
    assert window.start <= answer.latest_start <= window.end
    left = (window.end - answer.latest_start).total_seconds()
    assert sum(total <= left for total in totals) >= (1 - risk) * len(totals) - 1e-9


@given(lengths)
def test_a_longer_window_fits_no_worse(totals: list[float]) -> None:
    answers = [fit(parse_window(f"2026-12-05T02:00/PT{hours}H"), totals, 0.05) for hours in (1, 2, 4)]
    assert [answer.probability for answer in answers] == sorted(answer.probability for answer in answers)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)), st.integers(1, 100))
def test_a_window_lasts_as_long_as_it_says(start: datetime, hours: int) -> None:
    text = f"{start:%Y-%m-%dT%H:%M}/PT{hours}H America/Sao_Paulo"
    try:
        window = parse_window(text)
    except ValueError:
        assume(False)
    assert window.length == hours * 3600
    assert window.end.astimezone(UTC) - window.start.astimezone(UTC) == timedelta(hours=hours)


def test_too_few_runs_give_no_latest_start() -> None:
    window = parse_window("2026-12-05T02:00/04:00")
    assert fit(window, [60.0] * 20, 0.01).latest_start is None
    assert fit(window, [60.0] * 2000, 0.01).latest_start == window.end - timedelta(seconds=60)
