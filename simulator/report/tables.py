"""The tables of the reference that are written from the program: the timings of a scenario, the default profile.

`python -m simulator.report.tables` writes them between their marks in docs/reference, `--check` compares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from calico_lint.generated import settle
from calico_lint.kops.releases import Version
from simulator.profile import Profile, Situation, build
from simulator.scenario import V2_TO_V3, V3_ROLLING
from simulator.timing import PER_NODE, TIMINGS

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
_TABLE = re.compile(r"(?s)(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->\n)")

# Clusters of three control-plane nodes, as plans are made for; what the defaults owe to their size is said in the text.
_SITUATIONS = {
    "migration": Situation(V2_TO_V3, nodes=12, control_plane=3, kubernetes=Version(1, 11, 10)),
    "rolling": Situation(V3_ROLLING, nodes=12, control_plane=3, kubernetes=Version(1, 28, 0)),
}


def timings() -> Iterator[str]:
    """Every timing name of a scenario, its golden value and meaning."""
    yield "| name | default | unit | per node | what it is |"
    yield "|---|---|---|---|---|"
    for name, timing in TIMINGS.items():
        golden = timing.golden
        value = ", ".join(map(str, golden)) if isinstance(golden, tuple) else str(golden)
        mark = "yes" if name in PER_NODE else ""
        yield f"| `{name}` | {value} | {timing.unit} | {mark} | {_cell(timing.meaning)} |"


def parameters(profile: Profile) -> Iterator[str]:
    """Every parameter of a profile, with its distribution and source."""
    yield "| name | default | unit | drawn | source |"
    yield "|---|---|---|---|---|"
    drawn = {"input": "not", "node": "for each node", "run": "for each run"}
    for parameter in profile.parameters:
        doubt = " (in doubt)" if parameter.uncertain else ""
        cells = (f"`{parameter.name}`", f"{parameter.distribution}{doubt}", parameter.unit, drawn[parameter.scope])
        yield f"| {' | '.join(cells)} | {_cell(parameter.source)} |"


def filled(text: str) -> str:
    """The page with its tables as they should be."""

    def replace(match: re.Match[str]) -> str:
        name = match[2]
        lines = timings() if name == "timings" else parameters(build(_SITUATIONS[name]))
        return match[1] + "".join(f"{line}\n" for line in lines) + match[3]

    return _TABLE.sub(replace, text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def main(arguments: Sequence[str]) -> int:
    """Write the tables, or with --check compare them; the exit code."""
    pages = {str(page): filled(page.read_text(encoding="utf-8")) for page in sorted(FOLDER.glob("*.md"))}
    return settle(pages, arguments, "python -m simulator.report.tables")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
