"""List scheduling of many runs at once: when each old pod is deleted, if pods do not wait for each other (R3).

`reaction` after a pod is Ready the controller looks, and replaces as many pods as it may. So the pod in place i of the
processing order is deleted at the first look that comes not before the i-th smallest of all instants at which a place
gets free. Exact: integers, and no approximation anywhere.
"""

from __future__ import annotations

import numpy as np

from simulator.draws import Integers
from simulator.kernel.durations import NEVER

INSERTION = 16
"""Up to so many places one is inserted after the other; above, whole blocks are sorted."""


def freely(free: Integers, cycles: Integers, reaction: Integers) -> Integers:
    """`free` [run, place], `cycles` [run, rank] from a deletion to Ready -> deletions [run, rank]."""
    places = free.shape[1]
    if places == 1:
        return one_by_one(free[:, 0], cycles, reaction)
    return (inserted if places <= INSERTION else sorted_in_blocks)(free, cycles, reaction)


def one_by_one(free: Integers, cycles: Integers, reaction: Integers) -> Integers:
    """One place: `free` [run], `cycles` [run, rank] from a deletion to Ready -> deletions [run, rank]."""
    starts = np.empty_like(cycles)
    if cycles.shape[1]:
        starts[:, 0] = free + reaction
        np.add(cycles[:, :-1], reaction[:, None], out=starts[:, 1:])
        np.cumsum(starts, axis=1, out=starts)
    return starts


def inserted(free: Integers, cycles: Integers, reaction: Integers) -> Integers:
    """Few places: `free` [run, place], `cycles` [run, rank] -> deletions [run, rank]."""
    runs, places = free.shape
    pool = np.sort(free, axis=1).T.copy()
    ends = np.ascontiguousarray(cycles.T)
    count = len(ends)
    starts = np.empty((count, runs), np.int64)
    freed = np.empty((count, runs), np.int64)  # when the place of each was free, in order
    flat, columns = freed.reshape(-1), np.arange(runs)
    look = columns.copy()  # of `flat`: the pod whose Ready made the controller look
    delayed = bool(reaction.any())
    end, low = np.empty(runs, np.int64), np.empty(runs, np.int64)
    for number in range(count):
        freed[number] = pool[0]
        if delayed:
            earliest = pool[0] - reaction
            while (early := flat.take(look) < earliest).any():
                look += early * runs
            np.add(flat.take(look), reaction, out=starts[number])
        else:
            starts[number] = pool[0]
        np.add(starts[number], ends[number], out=end)
        for place in range(1, places):
            np.minimum(pool[place], end, out=low)
            np.maximum(pool[place], end, out=end)
            pool[place - 1] = low
        pool[places - 1] = end
    return starts.T


def sorted_in_blocks(free: Integers, cycles: Integers, reaction: Integers) -> Integers:
    """Many places: `free` [run, place], `cycles` [run, rank] -> deletions [run, rank].

    A pod never ends before it starts. So as long as none of a block's pods ends before the last of them starts, these
    start when the first places get free. Otherwise the i-th smallest of the free instants and the ends of the block's
    pods is settled as soon as the pods before it are: sorting again and again settles at least one more each time.
    """
    runs, places = free.shape
    count = cycles.shape[1]
    starts = np.empty((runs, count), np.int64)
    pool = np.sort(free, axis=1)
    delayed = bool(reaction.any())
    # What became free in the block before is kept in front, with room for the search in `_looks` to miss.
    front = 1 << places.bit_length() if delayed else 0
    buffer = np.full((runs, front + 2 * places), -NEVER)
    block = max(1, places // 4)
    for begin in range(0, count, block):
        cycle = cycles[:, begin : begin + block]
        size = cycle.shape[1]
        known = buffer[:, front : front + places + size]
        ends = known[:, places:]
        known[:, :places] = pool
        start = _looks(buffer, front, size, reaction) if delayed else pool[:, :size]
        np.add(start, cycle, out=ends)
        early = (ends.min(axis=1) < pool[:, size - 1]).any()
        if not early:
            merge(known[:, size:], places - size)
        while early:
            known[:, :places] = pool
            np.add(start, cycle, out=ends)
            merge(known, places)
            settled = _looks(buffer, front, size, reaction) if delayed else known[:, :size].copy()
            early = not np.array_equal(settled, start)
            start = settled
        starts[:, begin : begin + size] = start
        pool = known[:, size:].copy()
        if delayed:
            buffer[:, front - places : front] = buffer[:, front - places + size : front + size].copy()
    return starts


def merge(values: Integers, known: int) -> None:
    """Sort each row, of which the first `known` are in order: to sort the others and merge is faster than one sort."""
    values[:, known:].sort(axis=1)
    values.sort(axis=1, kind="stable")


def _looks(freed: Integers, front: int, size: int, reaction: Integers) -> Integers:
    """The first look not before each of freed[:, front : front + size], which is sorted with all before it."""
    cause = freed[:, front : front + size]
    earliest = cause - reaction[:, None]
    step = 1
    while step < front and (freed[:, front - step : front - step + size] >= earliest).any():
        step *= 2
    if step == 1:
        return cause + reaction[:, None]
    flat = freed.reshape(-1)
    place = np.arange(len(freed))[:, None] * freed.shape[1] + np.arange(front, front + size)
    while step > 1:  # all are less than `step` places away
        step //= 2
        place -= step * (flat.take(place - step) >= earliest)
    looks: Integers = flat.take(place) + reaction[:, None]
    return looks
