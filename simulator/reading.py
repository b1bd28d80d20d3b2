"""Reading JSON data: tables that know their place, and readers of single values that say what is wrong."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from simulator.scenario import ScenarioError, unknown
from simulator.timing import MICRO

T = TypeVar("T")

MAX_SECONDS: Final = 1_000_000_000


def read_text(path: str) -> str:
    """The text of a file; `-` is standard input. Raises ScenarioError where it cannot be read or is not UTF-8."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ScenarioError("", f"it cannot be read: {error.strerror}", "check the path") from None
    except UnicodeDecodeError as error:
        raise ScenarioError("", f"it is not UTF-8: {error.reason} at byte {error.start}", "save it as UTF-8") from None


def kind_of(value: object) -> str:
    """What a value of JSON is, in words."""
    names = {bool: "true or false", dict: "an object", list: "a list", str: "text", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)


class Table:
    """An object of the scenario that knows its place and which of its keys are allowed.

    Everything here raises `ScenarioError`, which names the place, for what is not as it should be.
    """

    def __init__(self, data: object, place: str) -> None:
        if not isinstance(data, Mapping):
            raise ScenarioError(place, f"expected an object, found {kind_of(data)}", "write {…}")
        self.data: Mapping[str, object] = data
        self.place = place

    def at(self, key: str) -> str:
        """The place of a key."""
        return f"{self.place}.{key}" if self.place else key

    def known(self, *keys: str) -> None:
        """Refuse all other keys."""
        for key in self.data:
            if key not in keys:
                raise unknown(self.place, key, keys, "known key here")

    def need(self, key: str, read: Callable[[object, str], T]) -> T:
        """The value of a key that must be there."""
        if key not in self.data:
            raise ScenarioError(self.at(key), "it is missing", f"add {key!r}")
        return read(self.data[key], self.at(key))

    def get(self, key: str, read: Callable[[object, str], T], default: T) -> T:
        """The value, or the default if the key is absent."""
        return read(self.data[key], self.at(key)) if key in self.data else default

    def maybe(self, key: str, read: Callable[[object, str], T]) -> T | None:
        """The value; None if it is absent or null."""
        return None if self.data.get(key) is None else read(self.data[key], self.at(key))

    def table(self, key: str) -> Table:
        """The object under a key; empty if it is absent."""
        return Table(self.data.get(key, {}), self.at(key))

    def items(self, key: str) -> list[Table]:
        """The objects of the list under a key; none if it is absent."""
        value = self.data.get(key, [])
        if not isinstance(value, list):
            raise ScenarioError(self.at(key), f"expected a list, found {kind_of(value)}", "write […]")
        return [Table(item, f"{self.at(key)}[{index}]") for index, item in enumerate(value)]


def text(value: object, place: str) -> str:
    """Text."""
    if not isinstance(value, str):
        raise ScenarioError(place, f"expected text, found {kind_of(value)}", "put it in quotes")
    return value


def boolean(value: object, place: str) -> bool:
    """True or false, and nothing that Python takes for it."""
    if not isinstance(value, bool):
        raise ScenarioError(place, f"expected true or false, found {kind_of(value)}", "write true or false")
    return value


def whole(minimum: int, maximum: int | None = None) -> Callable[[object, str], int]:
    """A reader of whole numbers in [minimum, maximum]."""

    def read(value: object, place: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            found = value if isinstance(value, float) else kind_of(value)
            raise ScenarioError(place, f"expected a whole number, found {found}", "write it without a fraction")
        if value < minimum:
            raise ScenarioError(place, f"{value} is too small", f"use {minimum} or more")
        if maximum is not None and value > maximum:
            raise ScenarioError(place, f"{value} is too large", f"use {maximum} or less")
        return value

    return read


def micros(value: object, place: str) -> int:
    """Seconds -> microseconds; also objects a second -> millionths of it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ScenarioError(place, f"expected a number, found {kind_of(value)}", "write seconds as a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ScenarioError(place, f"{value} is not finite", "use a finite number of seconds")
    if value < 0:
        raise ScenarioError(place, f"{value} is negative", "use 0 or more")
    if value > MAX_SECONDS:
        raise ScenarioError(place, "the number is too large", f"use {MAX_SECONDS} or less")
    return round(value * MICRO)


def one_of(choices: Sequence[str], what: str) -> Callable[[object, str], str]:
    """A reader of one of these words; `what` they are."""

    def read(value: object, place: str) -> str:
        word = text(value, place)
        if word not in choices:
            raise unknown(place, word, choices, what)
        return word

    return read


def node_index(count: int) -> Callable[[object, str], int]:
    """A reader of the names n1 … nN that gives the index of the node, 0 for n1."""

    def read(value: object, place: str) -> int:
        name = text(value, place)
        if not re.fullmatch(r"n[1-9][0-9]{0,8}", name) or int(name[1:]) > count:
            possible = "only n1" if count == 1 else f"n1 … n{count}"
            raise ScenarioError(place, f"there is no node {name!r}", f"the cluster has {possible}")
        return int(name[1:]) - 1

    return read
