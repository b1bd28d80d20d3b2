"""Memory that is used again: for large arrays the operating system's work costs more than the arithmetic."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)


@cache
def keep_freed_memory() -> None:
    """Let glibc keep what arrays leave behind, instead of giving it back and asking for it anew.

    Every new page costs a fault: with 5,000 nodes these are 40 % of the kernel's time (`bench/bench_kernel.py`). The
    process then holds its peak until it ends. Elsewhere than with glibc nothing changes.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 32 << 20)  # the most that is allowed
        mallopt(_TRIM_THRESHOLD, 1 << 30)
