"""Plans side by side, for people and as JSON."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.planning import duration
from simulator.report.lines import shown
from simulator.report.text import PIPE_WIDTH, WINDOWS, interval_of

if TYPE_CHECKING:
    from simulator.compare import Change, Comparison, Side

_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}


def render_json(found: Comparison) -> str:
    """One JSON object, indented by a blank a level."""
    return json.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def render_text(found: Comparison) -> str:
    """The plans by letters, then a table for each window."""
    buffer = io.StringIO()
    width = None if os.environ.get("COLUMNS") else PIPE_WIDTH
    console = Console(file=buffer, width=width, color_system=None, **_PLAIN)
    letters = [_letter(number) for number in range(len(found.sides))]
    table = _table("", "Plan", "Verdict", "Cluster")
    for letter, side in zip(letters, found.sides, strict=True):
        table.add_row(letter, shown(side.name), side.verdict.upper(), _cluster(side))
    console.print(table)
    for letter, side in zip(letters, found.sides, strict=True):
        if side.verdict != "go":
            console.print(f"{letter}: {shown(side.reason)}.")
    for window, label in WINDOWS.items():
        if any(window in side.windows for side in found.sides) and not _nothing(found, window):
            console.print()
            console.print(_window(found, letters, window, label.strip()))
    pairs = [change.pairs for changes in found.changes for change in changes.values()]
    notes = []
    if any(pairs):
        notes.append(f"pairs of {max(filter(None, pairs))} runs with the same draws")
    if None in pairs:
        notes.append("* of two medians: a plan's JSON has no runs to pair, so luck is in it too")
    console.print()
    console.print(f"(Than {letters[0]}: the median and its 95% interval; {'; '.join(notes)})")
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def _window(found: Comparison, letters: list[str], window: str, label: str) -> Table:
    table = _table(f"{label[0].upper()}{label[1:]}", "P50", "P90", f"Than {letters[0]}", "95%")
    for number, (letter, side) in enumerate(zip(letters, found.sides, strict=True)):
        quantiles = side.windows.get(window)
        if quantiles is None:
            continue
        cells = ["never" if each.value is None else duration(each.value) for each in quantiles.values()]
        change = found.changes[number - 1].get(window) if number else None
        table.add_row(letter, *cells, *(("", "") if change is None else _change(change)))
    return table


def _change(change: Change) -> tuple[str, str]:
    value = change.median.value
    mark = "" if change.pairs else " *"
    if value is None:
        return f"not to be said{mark}" if change.pairs is None else "one never ends", ""
    if abs(value) < 0.05:
        return f"the same{mark}", interval_of(change.median)
    return f"{duration(abs(value))} {'shorter' if value < 0 else 'longer'}{mark}", interval_of(change.median)


def _nothing(found: Comparison, window: str) -> bool:
    """Whether a window is 0 everywhere, as the block of a roll."""
    values = [each.value for side in found.sides for each in side.windows.get(window, {}).values()]
    return all(value == 0 for value in values)


def _cluster(side: Side) -> str:
    cluster = side.cluster
    return shown(
        f"{cluster['name']}: Calico {cluster['calico_from'] or 'of today'} → {cluster['calico_to']}, "
        f"{cluster['nodes']} nodes, kOps {cluster['kops']}"
    )


def _table(*names: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for number, name in enumerate(names):
        table.add_column(Text(name, style="bold"), justify="right" if name in ("P50", "P90") else "left")
        if number == 0:
            table.columns[0].no_wrap = True
    return table


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)
