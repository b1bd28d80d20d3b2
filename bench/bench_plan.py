"""`calico-sim plan` as a whole, cold: what it costs beyond the interpreter and NumPy, which it cannot do without.

Commands run in turns, each figure is the median of the differences to the floor of the same round, and a plan that
says anything but "go" ends the benchmark: a fast wrong answer is none.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from bench.pairing import Timing, interleaved

SPEC = str(Path(__file__).resolve().parent.parent / "fixtures/specs/calico-v2-to-v3.yaml")
ROUNDS = 5


def plan(nodes: int, *further: str) -> list[str]:
    """The command that plans 1,000 replications."""
    sim = str(Path(sys.executable).parent / "calico-sim")
    return [sim, "plan", SPEC, "--kops-version", "1.12.3", "--nodes", str(nodes), "--replications", "1000", *further]


def beyond(timing: Timing, floor: Timing) -> float:
    """Median of the seconds that a command takes longer than the floor in the same round."""
    return statistics.median(one - other for one, other in zip(timing.wall_s, floor.wall_s, strict=True))


def main() -> None:
    """Print the table."""
    numpy, bare = "python -c 'import numpy'", "python -c pass"
    floors = {numpy: [sys.executable, "-c", "import numpy"], bare: [sys.executable, "-c", "pass"]}
    sim = str(Path(sys.executable).parent / "calico-sim")
    rows: list[tuple[str, list[str], str, float | None]] = [
        ("plan, 100 nodes × 1,000", plan(100), numpy, 1.0),
        ("plan, 5,000 nodes × 1,000", plan(5000), numpy, 3.0),
        ("the same, --workers 1", plan(5000, "--workers", "1"), numpy, None),
        ("plan, 100 nodes × 1,000, 10 % at once", plan(100, "--max-unavailable", "10%"), numpy, None),
        ("--help", [sim, "--help"], bare, 0.060),
    ]
    timings = interleaved({**floors, **{name: command for name, command, _, _ in rows}}, ROUNDS, accept=(0,))
    print("### calico-sim as a whole\n")
    print("| command | median s | floor | s beyond it | kept |\n|---|---:|---|---:|---|")
    for name, _, floor, limit in rows:
        kept = "" if limit is None else f"at most {limit:g}"
        more = beyond(timings[name], timings[floor])
        print(f"| {name} | {timings[name].median_s:.2f} | {floor} | {more:.3f} | {kept} |")


if __name__ == "__main__":
    main()
