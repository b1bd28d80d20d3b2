"""A fleet for people: one row a cluster, the ones that need somebody first."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.planning import BLOCKED, GO, NEVER_COMPLETES, OVER_BUDGET, UNDECIDED, duration
from simulator.report.lines import shown

_ORDER = (None, BLOCKED, NEVER_COMPLETES, OVER_BUDGET, UNDECIDED, GO)
"""The verdicts from bad to good; None: no plan."""

PIPE_WIDTH = 120
"""Columns where there is no terminal to ask."""


def write(lines: Sequence[Mapping[str, Any]], file: TextIO) -> None:
    """Print the results of a fleet; errors stand below the table, each once."""
    width = None if file.isatty() or os.environ.get("COLUMNS") else PIPE_WIDTH
    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("Verdict", "Spec"):
        table.add_column(name, overflow="fold")
    for name in ("Nodes", "No new pod starts", "P90", "Everything", "P90"):
        table.add_column(name, justify="right")
    for line in sorted(lines, key=_place):
        plan = line["plan"]
        verdict = "NO PLAN" if plan is None else plan["verdict"].upper().replace("-", " ")
        block, total = (_cells(plan, window) for window in ("scheduling_block", "total"))
        nodes = "" if plan is None else str(plan["cluster"]["nodes"])
        table.add_row(Text(verdict, style="bold"), shown(line["path"]), nodes, *block, *total)
    console.print(table)
    for line in lines:
        if line["error"]:
            console.print(shown(line["error"]), soft_wrap=True)


def _place(line: Mapping[str, Any]) -> tuple[int, str]:
    return _ORDER.index(line["plan"] and line["plan"]["verdict"]), line["path"]


def _cells(plan: Mapping[str, Any] | None, window: str) -> tuple[str, str]:
    """P50 and P90; nothing where nothing was simulated."""
    values = plan and plan["windows"].get(window)
    if not values:
        return "", ""
    return tuple("never" if values[name] is None else duration(values[name]) for name in ("p50", "p90"))  # type: ignore[return-value]
