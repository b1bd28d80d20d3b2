"""What fuzzing has found, and what it begins with, once more: the fuzz targets hold for each."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, seeds

FOUND = sorted((Path(__file__).parent / "fuzz" / "found").iterdir())
SEEDS = list(seeds())


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_was_found(path: Path, target: Callable[[bytes], None]) -> None:
    target(path.read_bytes())


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_damaged_specs(target: Callable[[bytes], None], seed: int) -> None:
    """A spec with a few bytes cut, doubled, moved or flipped."""
    choose = random.Random(seed)
    data = bytearray(choose.choice(SEEDS))
    for _ in range(choose.randrange(4)):
        start = choose.randrange(len(data) + 1)
        end = min(len(data), start + choose.choice((1, 2, 8, 40)))
        piece = data[start:end]
        action = choose.randrange(4)
        if action == 0:
            del data[start:end]
        elif action == 1:
            data[end:end] = piece
        elif action == 2:
            place = choose.randrange(len(data) + 1)
            data[place:place] = piece
        else:
            data[start:end] = bytes(choose.choice(b"\n :-#{}[]&*!|>'\"%\t\r\x00\xc3\xff") for _ in piece)
    target(bytes(data))
