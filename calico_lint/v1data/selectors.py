"""The selector language of both conversions: whether a selector parses, and which labels it asks for.

    selector  = [ or ]
    or        = and { "||" and }
    and       = operand { "&&" operand }
    operand   = { "!" } ( "has(" label ")" | "all()" | "(" or ")" | label test )
    test      = ( "==" | "!=" ) string | ( "in" | "not in" ) "{" [ string { "," string } [ "," ] ] "}"
    label     = 1 to 512 of letters, digits, _ . / -

Calico v3.8 (which calico-upgrade's master validates with) has the tests `contains`, `starts with` and `ends with`
besides, and takes a word after a label for a test always. Before that, `in` and `not in` were read as tests wherever
they stood, so that a label called `in` could not be asked for.

Source: libcalico-go lib/selector/{tokenizer,parser}@9047dcb0 and @bd77a00a.
"""

from __future__ import annotations

import re
from functools import lru_cache

_KEY = r"[a-zA-Z0-9_./-]{1,512}"
_SPACE = r"[\t\n\f\r ]*"
_has = re.compile(rf"has\({_SPACE}({_KEY}){_SPACE}\)")
_all = re.compile(rf"all\({_SPACE}\)")
_test = re.compile(rf"not{_SPACE}in\b|in\b", re.ASCII)
_newer_test = re.compile(rf"contains|starts{_SPACE}with|ends{_SPACE}with")
_label = re.compile(_KEY)
_SYMBOLS = ("==", "!=", "&&", "||", "(", ")", "{", "}", ",", "!")

_END = "the end"


class Selector:
    """What a selector asks for. `fault` is None if it parses, else (offset, what is wrong there)."""

    __slots__ = ("fault", "labels")

    def __init__(self, labels: tuple[str, ...], fault: tuple[int, str] | None) -> None:
        self.labels = labels
        self.fault = fault


@lru_cache(maxsize=4096)
def parse(text: str, upgrade: str = "v1.0.5") -> Selector:
    """Read a selector as the conversion's validation does."""
    tokens: list[tuple[str, str, int]] = []
    fault = _tokenize(text, upgrade != "v1.0.5", tokens)
    if fault is None:
        fault = _check(tokens)
    return Selector(tuple(value for kind, value, _ in tokens if kind in ("label", "has")), fault)


def _tokenize(text: str, newer: bool, tokens: list[tuple[str, str, int]]) -> tuple[int, str] | None:
    at = 0
    while True:
        while at < len(text) and text[at] in " \t":
            at += 1
        if at == len(text):
            tokens.append((_END, "", at))
            return None
        if text[at] in "\"'":
            end = text.find(text[at], at + 1)
            if end < 0:
                return at, "a string that is not closed"
            tokens.append(("string", text[at + 1 : end], at))
            at = end + 1
            continue
        symbol = next((symbol for symbol in _SYMBOLS if text.startswith(symbol, at)), None)
        if symbol:
            tokens.append((symbol, "", at))
            at += len(symbol)
            continue
        if text[at] in "=&|":
            return at, f"{text[at]} where {text[at] * 2} is meant"
        after_label = newer and bool(tokens) and tokens[-1][0] == "label"
        match = _has.match(text, at) if not after_label else None
        if match:
            tokens.append(("has", match[1], at))
        elif (match := _test.match(text, at) if after_label or not newer else None) is not None:
            tokens.append(("in", "", at))
        elif after_label:
            match = _newer_test.match(text, at)
            if match is None:
                return at, "no operator after the label"
            tokens.append(("==", "", at))
        elif (match := _all.match(text, at)) is not None:
            tokens.append(("all", "", at))
        elif (match := _label.match(text, at)) is not None:
            tokens.append(("label", match[0], at))
        else:
            return at, f"the character {text[at]!r}"
        at = match.end()


def _check(tokens: list[tuple[str, str, int]]) -> tuple[int, str] | None:
    """Whether the tokens are a selector. A loop with a count of open parentheses: there is no nesting too deep."""
    if tokens[0][0] == _END:
        return None
    index = depth = 0
    while True:
        # Here an operand begins.
        while tokens[index][0] in ("!", "("):
            depth += tokens[index][0] == "("
            index += 1
        kind, value, at = tokens[index]
        if kind == "label":
            following = tokens[index + 1][0]
            if following in ("==", "!="):
                index += 2
                if tokens[index][0] != "string":
                    return tokens[index][2], "no string to compare with"
            elif following == "in":
                index += 2
                if tokens[index][0] != "{":
                    return tokens[index][2], "no set in braces"
                index += 1
                while tokens[index][0] == "string":
                    index += 1
                    if tokens[index][0] != ",":
                        break
                    index += 1
                if tokens[index][0] != "}":
                    return tokens[index][2], "a set that is not closed by }"
            else:
                return tokens[index + 1][2], f"no ==, !=, in or not in after the label {value}"
        elif kind not in ("has", "all"):
            return at, "no label, has() or all() where one must stand"
        index += 1
        while depth and tokens[index][0] == ")":
            depth -= 1
            index += 1
        kind, _, at = tokens[index]
        if kind in ("&&", "||"):
            index += 1
        elif kind == _END:
            return (at, "a parenthesis that is not closed") if depth else None
        else:
            return at, "something after the end of an expression"
