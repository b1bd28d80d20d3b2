"""`python -m bench`: all benchmarks, as Markdown."""

from __future__ import annotations

import platform
import sys

from bench import bench_engine, bench_kernel, bench_lint, bench_plan, bench_v1data, bench_v1store


def main() -> None:
    """Name the machine, then run every benchmark."""
    print(f"Python {platform.python_version()}, {platform.machine()}, {sys.platform}\n")
    bench_lint.main()
    print()
    bench_engine.main()
    print()
    bench_kernel.main()
    print()
    bench_plan.main()
    print()
    bench_v1data.main()
    print()
    bench_v1store.main()


if __name__ == "__main__":
    main()
