"""Run commands in interleaved rounds and compare them: the machine's mood then hits all alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Timing:
    """What the rounds of one command took."""

    wall_s: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def median_s(self) -> float:
        return statistics.median(self.wall_s)


def run_once(command: Sequence[str]) -> tuple[float, float, int]:
    """(wall seconds, peak memory in MB, exit code) of a command, its output thrown away."""
    null = os.open(os.devnull, os.O_WRONLY)
    actions = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    start = time.perf_counter()
    pid = os.posix_spawnp(command[0], list(command), os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    os.close(null)
    return wall, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


def interleaved(commands: dict[str, Sequence[str]], rounds: int, accept: tuple[int, ...] = (0, 1)) -> dict[str, Timing]:
    """Each command once per round, after one warm-up of each. Fails on an exit code that is no answer."""
    timings = {name: Timing() for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            wall, peak, code = run_once(command)
            if code not in accept:
                raise SystemExit(f"bench: {name} exits with {code}: {' '.join(command)}")
            if number:
                timings[name].wall_s.append(wall)
                timings[name].peak_mb = max(timings[name].peak_mb, peak)
    return timings


def table(rows: Sequence[tuple[str, Timing]], floor: Timing) -> str:
    """A Markdown table of medians and their ratios to the floor."""
    lines = ["| command | median ms | × floor | peak MB |", "|---|---:|---:|---:|"]
    for name, timing in rows:
        ratio = timing.median_s / floor.median_s
        lines.append(f"| {name} | {timing.median_s * 1000:.1f} | {ratio:.2f} | {timing.peak_mb:.1f} |")
    return "\n".join(lines)
