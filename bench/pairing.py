"""Run commands in interleaved rounds and compare them: the machine's mood then hits all alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

# As users run it: an installed package has its bytecode.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass
class Timing:
    """What the rounds of one command took."""

    wall_s: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        return statistics.median(self.wall_s)


def run_once(command: Sequence[str]) -> tuple[float, int]:
    """(wall seconds, exit code) of a command, its output thrown away."""
    null = os.open(os.devnull, os.O_WRONLY)
    actions = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    start = time.perf_counter()
    pid = os.posix_spawnp(command[0], list(command), ENVIRONMENT, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    wall = time.perf_counter() - start
    os.close(null)
    return wall, os.waitstatus_to_exitcode(status)


def interleaved(commands: dict[str, Sequence[str]], rounds: int, accept: tuple[int, ...] = (0, 1)) -> dict[str, Timing]:
    """Each command once per round, after one warm-up of each. Fails on an exit code that is no answer."""
    timings = {name: Timing() for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            wall, code = run_once(command)
            if code not in accept:
                raise SystemExit(f"bench: {name} exits with {code}: {' '.join(command)}")
            if number:
                timings[name].wall_s.append(wall)
    return timings


def table(rows: Sequence[tuple[str, Timing]], floor: Timing) -> str:
    """A Markdown table of medians and their ratios to the floor."""
    lines = ["| command | median ms | × floor |", "|---|---:|---:|"]
    for name, timing in rows:
        lines.append(f"| {name} | {timing.median_s * 1000:.1f} | {timing.median_s / floor.median_s:.2f} |")
    return "\n".join(lines)


def peak_memory_mb(code: str) -> float:
    """Peak resident memory of a fresh interpreter that runs `code`, as Linux counts it for the process alone."""
    script = f"{code}\nimport sys; sys.stderr.write(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return int(done.stderr.split("VmHWM:")[1].split()[0]) / 1024
