"""What a rule is: one decorated function, one text.

A rule's docstring is its documentation: `--explain`, the docs page, SARIF help and the tests read it.
Its fixed parts, in this order (see any rule for an example):

    Title in one line.

    What is wrong and why it matters for Calico.

    Bad (kOps 1.21.5):
        yaml lines below `spec:`
    Good (kOps 1.21.5):
        yaml lines below `spec:`
    Also: KC114 (rules that the bad example fires besides)
    Fix: what to do.
    Source: where this is read.

An example of a pair rule has the keys `old:` and `new:` and names both releases: `Bad (kOps 1.10.1 to 1.11.1):`.
What follows a `---` in an example are lines below `spec:` of InstanceGroups.
"""

from __future__ import annotations

from functools import lru_cache

from calico_lint.finding import Finding, Range, Related
from calico_lint.kops.releases import Version, describe_minors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from calico_lint.cluster import Cluster, Pair
    from calico_lint.finding import DocumentRef, Fix
    from calico_lint.kops.releases import Releases
    from calico_lint.yaml_source import Node


class Hit:
    """What a rule yields: a node, what is wrong with it, and what to do.

    `missing` names a key that should stand below the node: the finding's field is that path and its range
    the node's key. `on_key` underlines the key although the value is a scalar. `severity` and `origin`
    override the rule's. `fix` cures it (`calico_lint.fix`, imported where the rule has found something).
    """

    __slots__ = ("fix", "message", "missing", "node", "on_key", "origin", "related", "severity")

    def __init__(
        self,
        node: Node,
        message: str,
        *,
        missing: str | None = None,
        on_key: bool = False,
        related: Sequence[tuple[Node, str]] = (),
        severity: str | None = None,
        origin: str | None = None,
        fix: Fix | None = None,
    ) -> None:
        self.node = node
        self.message = message
        self.missing = missing
        self.on_key = on_key
        self.related = related
        self.severity = severity
        self.origin = origin
        self.fix = fix

    @property
    def field(self) -> str:
        """The path that the finding names."""
        parent = self.node.field
        if self.missing is None:
            return parent
        return f"{parent}.{self.missing}" if parent else self.missing

    @property
    def range(self) -> Range:
        """What the finding underlines."""
        return self.node.key_range if self.missing or self.on_key else self.node.range


class Example:
    """One executable example of a rule's text: the release(s) it is for, and YAML lines below `spec:`."""

    __slots__ = ("from_kops", "kops", "yaml")

    def __init__(self, kops: str, yaml: str, from_kops: str | None = None) -> None:
        self.kops = kops
        self.yaml = yaml
        self.from_kops = from_kops


class RuleText:
    """The parts of a rule's docstring."""

    __slots__ = ("also", "bad", "body", "fix", "good", "source", "title")

    def __init__(self, docstring: str) -> None:
        import re
        from inspect import cleandoc

        lines = cleandoc(docstring).splitlines()
        self.title = lines[0]
        self.body = ""
        self.fix = ""
        self.source = ""
        self.also: tuple[str, ...] = ()
        self.bad: list[Example] = []
        self.good: list[Example] = []
        body: list[str] = []
        index = 1
        while index < len(lines):
            line = lines[index]
            index += 1
            heading = re.match(r"(Bad|Good) \(kOps ([\w.-]+)(?: to ([\w.-]+))?\):\Z", line)
            block: list[str] = []
            if heading:
                while index < len(lines) and (not lines[index].strip() or lines[index].startswith("    ")):
                    block.append(lines[index][4:])
                    index += 1
                first, second = heading[2], heading[3]
                example = Example(second or first, "\n".join(block).strip("\n") + "\n", first if second else None)
                (self.bad if heading[1] == "Bad" else self.good).append(example)
                continue
            label = re.match(r"(Also|Fix|Source): (.*)", line)
            if not label:
                body.append(line)
                continue
            block = [label[2]]
            while index < len(lines) and lines[index].startswith("    "):
                block.append(lines[index].strip())
                index += 1
            text = " ".join(block)
            if label[1] == "Also":
                self.also = tuple(text.replace(",", " ").split())
            elif label[1] == "Fix":
                self.fix = text
            else:
                self.source = text
        self.body = "\n".join(body).strip("\n")


def url_of(rule_id: str) -> str:
    """Where the page of a rule stands."""
    return f"https://calico-lint.readthedocs.io/rules/{rule_id}/"


class Rule:
    """The record of a rule. `check` takes (cluster, release), (cluster, release, node) where the rule has
    `on`, or (pair, release) where it is a pair rule, and yields `Hit`s.

    `since`/`until` are the first and last kOps release in which the condition is wrong; `changes` are the
    minors in between at which the check decides differently ("every": ask for every release). `on` are
    the v1alpha2 paths below `spec` whose presence calls the rule. A `unanimous` rule is silent while some of the
    possible releases do not object: about what only the choice of a release decides it speaks when that is known.
    `fix` is "safe" if `--fix` cures at least some findings, "unsafe" if only `--unsafe-fixes` does.
    """

    __slots__ = (
        "_doc", "_since", "_text", "_until", "aliases", "changes", "check", "fix", "id", "name", "on", "origin", "pair",
        "severity", "severity_inferred", "unanimous",
    )  # fmt: skip

    def __init__(
        self,
        *,
        id: str,
        name: str,
        severity: str,
        origin: str,
        since: str | None,
        until: str | None,
        changes: tuple[str, ...] | str,
        on: tuple[str, ...],
        aliases: tuple[str, ...],
        pair: bool,
        check: Callable[..., Iterable[Hit]],
        doc: str,
        unanimous: bool = False,
        fix: str | None = None,
    ) -> None:
        self.id = id
        self.name = name
        # "error/warning": an error when the release is given, a warning when it is inferred.
        self.severity, _, inferred = severity.partition("/")
        self.severity_inferred = inferred or self.severity
        self.origin = origin
        self._since = since
        self._until = until
        self.changes = changes
        self.on = on
        self.aliases = aliases
        self.pair = pair
        self.check = check
        self.unanimous = unanimous
        self.fix = fix
        self._doc = doc
        self._text: RuleText | None = None

    @property
    def since(self) -> Version | None:
        """The first kOps release in which the condition is wrong; None for all that there were."""
        return _bound(self._since, newest=False)

    @property
    def until(self) -> Version | None:
        """The last kOps release in which the condition is wrong; None if it still is."""
        return _bound(self._until, newest=True)

    @property
    def text(self) -> RuleText:
        """The rule's text, parsed when first asked for."""
        if self._text is None:
            self._text = RuleText(self._doc)
        return self._text

    @property
    def span(self) -> str:
        """`1.19 to 1.36`, `1.20 and later`, or `all releases`, for people."""
        if self.since is None and self.until is None:
            return "all releases"
        if self.until is None:
            return f"{_short(self.since)} and later"
        if self.since is None:
            return f"up to {_short(self.until)}"
        return f"{_short(self.since)} to {_short(self.until)}"

    def finding(
        self,
        path: str,
        range: Range,
        message: str,
        *,
        document: DocumentRef | None = None,
        field: str | None = None,
        related: tuple[Related, ...] = (),
        fix: Fix | None = None,
    ) -> Finding:
        """The finding of something that was found elsewhere than in the check, and so has no node."""
        return Finding(
            rule=self.id,
            name=self.name,
            severity=self.severity,
            origin=self.origin,
            message=message,
            path=path,
            range=range,
            document=document,
            field=field,
            related=related,
            fix=fix,
        )

    def segments(self, releases: Releases) -> list[tuple[Version, list[Version]]]:
        """The candidates for which the rule exists, grouped so that the check decides alike in a group.

        Each group comes with its representative, the release that is asked.
        """
        span = (self._since, self._until, self.changes)  # rules of one span share the groups: there are few spans
        known = releases.segments.get(span)
        if known is None:
            known = releases.segments[span] = self._group(releases.candidates)
        return known

    def _group(self, candidates: tuple[Version, ...]) -> list[tuple[Version, list[Version]]]:
        since, until = self.since, self.until
        asked = [
            release
            for release in candidates
            if (since is None or since <= release) and (until is None or release <= until)
        ]
        if isinstance(self.changes, str):  # "every"
            return [(release, [release]) for release in asked]
        starts = [_bound(change, newest=False) for change in self.changes]
        groups: dict[int, list[Version]] = {}
        for release in asked:
            passed = sum(start is not None and release >= start for start in starts)
            groups.setdefault(passed, []).append(release)
        return [(group[0], group) for group in groups.values()]


@lru_cache(maxsize=256)
def _bound(text: str | None, *, newest: bool) -> Version | None:
    if text is None:
        return None
    numbers = [int(part) for part in text.split(".")]
    if len(numbers) == 2:
        # A pre-release of 1.N counts as 1.N: "0" sorts before every alpha.
        return Version(1, numbers[1], 999) if newest else Version(1, numbers[1], 0, "0")
    return Version(numbers[0], numbers[1], numbers[2])


def _short(version: Version | None) -> str:
    assert version is not None
    return f"1.{version.minor}" if version.patch in (0, 999) else str(version)


def rule(
    id: str,
    name: str,
    *,
    severity: str,
    origin: str,
    since: str | None = None,
    until: str | None = None,
    changes: tuple[str, ...] | str = (),
    on: str | tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    pair: bool = False,
    unanimous: bool = False,
    fix: str | None = None,
) -> Callable[[Callable[..., Iterable[Hit]]], Rule]:
    """Turn a generator of hits into a `Rule`. The parameters are those of `Rule`."""

    def decorate(check: Callable[..., Iterable[Hit]]) -> Rule:
        return Rule(
            id=id,
            name=name,
            severity=severity,
            origin=origin,
            since=since,
            until=until,
            changes=changes,
            on=(on,) if isinstance(on, str) else on,
            aliases=aliases,
            pair=pair,
            check=check,
            doc=check.__doc__ or name,
            unanimous=unanimous,
            fix=fix,
        )

    return decorate


def described(
    id: str,
    name: str,
    *,
    severity: str,
    origin: str,
    text: str,
    aliases: tuple[str, ...] = (),
    fix: str | None = None,
) -> Rule:
    """A rule without a check of its own: what it says is found while reading, or by the schema."""
    return Rule(
        id=id,
        name=name,
        severity=severity,
        origin=origin,
        since=None,
        until=None,
        changes=(),
        on=(),
        aliases=aliases,
        pair=False,
        check=_finds_nothing,
        doc=text,
        fix=fix,
    )


def _finds_nothing(*_: object) -> Iterable[Hit]:
    return ()


def findings_of(rule: Rule, subject: Cluster | Pair, releases: Releases, node: Node | None = None) -> Iterator[Finding]:
    """Ask a rule for each release considered and merge the answers.

    What every release objects to is a finding of the rule's severity. What only some object to is a
    warning that names them (an info stays one). `node` is the node that a rule with `on` is asked about.
    """
    subjects = (node,) if node is not None else ()
    merged: dict[tuple[int, str, Range], tuple[Hit, list[Version]]] = {}
    for representative, group in rule.segments(releases):
        for hit in rule.check(subject, representative, *subjects):
            place = (id(hit.node.document), hit.field, hit.range)
            if place in merged:
                merged[place][0].fix = _common_fix(merged[place][0].fix, hit.fix)
                merged[place][1].extend(release for release in group if release not in merged[place][1])
            else:
                merged[place] = (hit, list(group))
    for hit, objecting in merged.values():
        if rule.unanimous and len(objecting) < len(releases.candidates):
            continue
        yield finding_of(rule, hit, objecting, releases)


def _common_fix(one: Fix | None, other: Fix | None) -> Fix | None:
    """The fix that is right for two releases: none if it is not the same."""
    if one is None or other is None or [edit.key() for edit in one.edits] != [edit.key() for edit in other.edits]:
        return None
    return other if one.safe else one


def finding_of(rule: Rule, hit: Hit, objecting: Sequence[Version], releases: Releases) -> Finding:
    """The finding for one hit, given the releases that object."""
    severity = hit.severity or (rule.severity if releases.given else rule.severity_inferred)
    message = hit.message
    fix = hit.fix
    span = None
    if len(objecting) < len(releases.candidates):
        span = describe_minors([release.minor for release in objecting])
        message = f"{message} (holds for kOps {span} of the possible {releases}; give --kops-version)"
        if severity == "error":
            severity = "warning"
        if fix is not None:
            fix = fix.as_unsafe()  # right for some of the possible releases only: somebody has to say which it is
    node = hit.node
    source = node.document.source
    related = tuple(Related(other.document.source.path, other.range, text) for other, text in hit.related)
    return Finding(
        rule=rule.id,
        name=rule.name,
        severity=severity,
        origin=hit.origin or rule.origin,
        message=message,
        path=source.path,
        range=hit.range,
        document=node.document.ref,
        field=hit.field,
        related=related + node.related,
        releases=span,
        fix=fix if fix is not None and fix.path == source.path else None,
    )
