"""Random YAML in all the layouts that people and tools write: what the fixers are tested on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

KEYS = ("spec", "networking", "calico", "mtu", "version", "name", "a.b", "schlüssel", "on", "x y", "1", "émoji-🐙")
PLAIN = ("v3", "1.10", "3.2.24", "true", "1440", "null", "~", "", "10.0.0.0/8", "a b", "größe", "=", "1_000", "a#b")
QUOTED = ("'it''s'", '"\\u00e9 # no comment"', "''", '"a: b"', "'# no'", '"{}"', "'line one\n\n    two'")
BLOCKS = ("|", "|-", "|+", ">", ">-", "|2")
COMMENTS = ("# a comment", "#", "# größer: {x}", "# - &a *b")


@st.composite
def yaml_texts(draw: st.DrawFn) -> str:
    """The text of a file, of which hypothesis makes every choice (and so finds the shortest that fails)."""
    return yaml_text(lambda count: draw(st.integers(0, count - 1)))


def yaml_text(choose: Callable[[int], int]) -> str:
    """The text of a file: one or two documents whose roots are mappings. `choose(n)` gives a number below n."""
    writer = _Writer(choose)
    text = "---\n".join(writer.document() for _ in range(1 + choose(2)))
    if choose(2):
        text = text.removesuffix("\n")
    return text.replace("\n", "\r\n") if choose(5) == 4 else text


class _Writer:
    def __init__(self, choose: Callable[[int], int]) -> None:
        self.choose = choose
        self.step = self.pick(2, 4, 1)
        self.names: list[tuple[str, bool]] = []  # of the anchors so far, and whether a mapping has it
        self.lines: list[str] = []

    def pick(self, *options: Any) -> Any:
        return options[self.choose(len(options))]

    def often(self, one_in: int) -> bool:
        return self.choose(one_in) == one_in - 1

    def document(self) -> str:
        self.lines = []
        self.names = []
        self.noise("")
        if self.often(8):
            self.lines.append(self.flow_mapping(0))
        else:
            self.mapping("", 0)
        return "".join(f"{line}\n" for line in self.lines)

    def noise(self, margin: str) -> None:
        """Comments and blank lines before an entry."""
        while self.often(5):
            self.lines.append(self.pick("", margin + self.pick(*COMMENTS), self.pick(*COMMENTS)))

    def trailing(self) -> str:
        return f"{self.pick(' ', '   ')}{self.pick(*COMMENTS)}" if self.often(4) else self.pick("", "", "", "  ")

    def keys(self) -> list[str]:
        keys = list(KEYS)
        return [keys.pop(self.choose(len(keys))) for _ in range(1 + self.choose(4))]

    def key(self, key: str) -> str:
        return str(self.pick(key, key, f'"{key}"', f"'{key}'"))

    def anchor(self, mapping: bool) -> str:
        if self.often(10):
            name = f"a{len(self.names)}"
            self.names.append((name, mapping))
            return f"&{name}"
        return ""

    def mapping(self, margin: str, depth: int, first: str = "") -> None:
        """The lines of a block mapping; `first` stands on the first line instead of the margin."""
        for number, key in enumerate(self.keys()):
            lead = first if first and number == 0 else margin
            if number or not first:
                self.noise(margin)
            mappings = [name for name, mapping in self.names if mapping]
            if mappings and self.often(4):
                self.lines.append(f"{lead}<<: *{self.pick(*mappings)}")
                return
            self.entry(lead, margin, f"{self.key(key)}{self.pick('', '', ' ')}:", depth)

    def entry(self, lead: str, margin: str, key: str, depth: int) -> None:
        below = margin + " " * self.step
        kind = self.pick("scalar", "scalar", "flow", "block", "mapping", "list", "alias", "nothing")
        if depth > 3 and kind in ("mapping", "list"):
            kind = "scalar"
        if kind == "mapping":
            anchor = self.anchor(mapping=False)  # an alias before its end would be one too early
            self.lines.append(f"{lead}{key}{' ' + anchor if anchor else ''}{self.trailing()}")
            self.mapping(below, depth + 1)
        elif kind == "list":
            self.lines.append(f"{lead}{key}{self.trailing()}")
            self.sequence(self.pick(margin, below), depth + 1)
        elif kind == "block":
            self.lines.append(f"{lead}{key} {self.block(margin)}")
        elif kind == "flow":
            self.lines.append(f"{lead}{key} {self.pick(self.flow_mapping, self.flow_list)(depth + 1)}{self.trailing()}")
        elif kind == "alias" and self.names:
            self.lines.append(f"{lead}{key} *{self.pick(*self.names)[0]}{self.trailing()}")
        elif kind == "nothing":
            self.lines.append(f"{lead}{key}{self.trailing()}")
        else:
            anchor = self.anchor(mapping=False)
            value = self.scalar(flow=False, margin=below)
            self.lines.append(f"{lead}{key} {anchor + ' ' if anchor else ''}{value}{self.trailing()}")

    def block(self, margin: str) -> str:
        header = self.pick(*BLOCKS)
        inner = margin + "  "
        lines = [header + self.pick("", "  # after the header"), inner + self.pick("text", "# text", "key: value")]
        lines += self.pick([], [inner + "more"], ["", inner + "more"], ["", ""], [""])
        return "\n".join(lines)

    def sequence(self, margin: str, depth: int) -> None:
        for _ in range(1 + self.choose(3)):
            self.noise(margin)
            if self.often(2) and depth < 4:
                self.mapping(f"{margin}  ", depth + 1, first=f"{margin}- ")
            else:
                self.lines.append(f"{margin}- {self.scalar(flow=False, margin=margin + '  ')}{self.trailing()}")

    def scalar(self, *, flow: bool, margin: str = "") -> str:
        if self.often(3):
            quoted = self.pick(*QUOTED)
            return str(quoted.replace("\n    ", "\n" + margin + " ") if not flow else quoted.partition("\n")[0][:1] * 2)
        return str(self.pick(*PLAIN) or ("''" if flow else ""))

    def flow_mapping(self, depth: int) -> str:
        if self.often(3):
            return str(self.pick("{}", "{ }"))
        gap = self.pick("", " ")
        pairs = [f"{self.key(key)}: {self.flow_value(depth)}" for key in self.keys()]
        return f"{{{gap}{', '.join(pairs)}{self.pick('', ',')}{gap}}}"

    def flow_list(self, depth: int) -> str:
        return f"[{', '.join(self.flow_value(depth) for _ in range(self.choose(3)))}]"

    def flow_value(self, depth: int) -> str:
        if depth > 3 or self.often(2):
            return self.scalar(flow=True)
        return str(self.pick(self.flow_mapping, self.flow_list)(depth + 1))
