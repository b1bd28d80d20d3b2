"""kOps releases: order, patch levels, and which Kubernetes each one takes.

Abbreviations in sources: APPLY@1.N = `upup/pkg/fi/cloudup/apply_cluster.go@release-1.N` of kubernetes/kops.
"""

from __future__ import annotations

import re

# Newest patch of each minor, from the tags of kubernetes/kops on 2026-08-22. 1.31 has one stable tag.
NEWEST_PATCH: dict[int, int] = {
    8: 1, 9: 2, 10: 1, 11: 1, 12: 3, 13: 2, 14: 1, 15: 3, 16: 4, 17: 2, 18: 3, 19: 3, 20: 3, 21: 5, 22: 6,
    23: 4, 24: 5, 25: 4, 26: 6, 27: 3, 28: 7, 29: 2, 30: 4, 31: 0, 32: 4, 33: 2, 34: 3, 35: 2, 36: 2,
}  # fmt: skip
OLDEST_MINOR, NEWEST_MINOR = min(NEWEST_PATCH), max(NEWEST_PATCH)

# OldestSupportedKubernetesVersion: the minor x of 1.x.
# APPLY@1.16:95 .. APPLY@1.36:79. Up to 1.15 there is no constant: the channel file decides.
OLDEST_SUPPORTED_KUBERNETES: dict[int, int] = {
    16: 9, 17: 9, 18: 9, 19: 11, 20: 13, 21: 15, 22: 17, 23: 18, 24: 19, 25: 20, 26: 21, 27: 22, 28: 23,
    29: 24, 30: 25, 31: 25, 32: 27, 33: 27, 34: 29, 35: 29, 36: 31,
}  # fmt: skip

_SEMVER = (
    r"v?(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})(?:\.(0|[1-9][0-9]{0,17}))?"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?\Z"
)


class Version:
    """A semantic version X.Y.Z[-pre], ordered as semver says (a pre-release comes before its release)."""

    __slots__ = ("_key", "major", "minor", "patch", "pre")

    def __init__(self, major: int, minor: int, patch: int = 0, pre: str = "") -> None:
        self.major = major
        self.minor = minor
        self.patch = patch
        self.pre = pre
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre.split(".")) if pre else ()
        self._key = (major, minor, patch, not pre, parts)

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    def __le__(self, other: Version) -> bool:
        return self._key <= other._key

    def __gt__(self, other: Version) -> bool:
        return self._key > other._key

    def __ge__(self, other: Version) -> bool:
        return self._key >= other._key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + (f"-{self.pre}" if self.pre else "")

    def __repr__(self) -> str:
        return f"Version({self})"


def _is_plain_number(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) < 19 and (part[0] != "0" or part == "0")


def parse_semver(text: object) -> Version | None:
    """`[v]X.Y.Z[-pre][+build]`, all three numbers present, as kOps reads versions; None if it is not that."""
    if not isinstance(text, str):
        return None
    # Nearly every version is three plain numbers: the pattern need not even be compiled for them.
    parts = text.removeprefix("v").split(".")
    if len(parts) == 3 and all(map(_is_plain_number, parts)):
        return Version(int(parts[0]), int(parts[1]), int(parts[2]))
    match = re.match(_SEMVER, text)
    if match is None or match.group(3) is None:
        return None
    return Version(int(match.group(1)), int(match.group(2)), int(match.group(3)), match.group(4) or "")


_TOLERANT = (
    r"\s*v?([0-9]{1,18})(?:\.([0-9]{1,18})(?:\.([0-9]{1,18})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?)?)?\s*\Z"
)


def parse_kubernetes(text: object) -> Version | None:
    """`kubernetesVersion` as kOps reads it: missing numbers are 0, and the URL of a release counts as its minor.

    None if kOps cannot read it either. Source: ParseKubernetesVersion, pkg/apis/kops/util/versions.go@release-1.36
    (semver.ParseTolerant, then the URL).
    """
    if not isinstance(text, str):
        return None
    exact = parse_semver(text)
    if exact is not None:
        return exact
    match = re.match(_TOLERANT, text)
    if match is not None:
        return Version(int(match[1]), int(match[2] or 0), int(match[3] or 0), match[4] or "")
    match = re.search(r"/v1\.([0-9]{1,4})\.", text)
    return Version(1, int(match[1])) if match is not None else None


class ReleaseError(ValueError):
    """A kOps version that does not parse."""


class Releases:
    """The kOps releases that may apply a spec: one given release, or the minors of an inferred range.

    Rules are asked once for each of `candidates`. `given` says that the user named the release.
    `note` is what the user should know about the choice (outside the known releases), or None; `named` is the
    release as the user named it, which differs from the candidate outside the known releases.
    """

    __slots__ = ("candidates", "given", "named", "note", "segments")

    def __init__(
        self, candidates: tuple[Version, ...], given: bool, note: str | None = None, named: Version | None = None
    ) -> None:
        self.candidates = candidates
        self.given = given
        self.note = note
        self.named = named or (candidates[0] if given else None)
        # What rules make of the candidates (`Rule.segments`), by their span: the same for every file of a range.
        self.segments: dict[tuple[object, ...], list[tuple[Version, list[Version]]]] = {}

    @property
    def first(self) -> Version:
        """The oldest release considered."""
        return self.candidates[0]

    @property
    def last(self) -> Version:
        """The newest release considered."""
        return self.candidates[-1]

    def __str__(self) -> str:
        if self.given:
            return str(self.first)
        return describe_minors([version.minor for version in self.candidates])


def newest_of_minor(minor: int) -> Version:
    """The newest known patch of kOps 1.`minor`."""
    return Version(1, minor, NEWEST_PATCH[minor])


def parse_release(text: str) -> Releases:
    """A release as `--kops-version` takes it: [v]X.Y[.Z][-pre]; X.Y is its newest known patch.

    Outside the known releases the nearest table applies, and `note` says so. Raises ReleaseError with
    what is accepted if the text does not parse.
    """
    match = re.match(_SEMVER, text.strip())
    if match is None:
        raise ReleaseError(f"{text!r} is not a kOps version: give X.Y or X.Y.Z, for example 1.36 or 1.36.2")
    major, minor, patch, pre = int(match[1]), int(match[2]), match[3], match[4] or ""
    if major == 1 and minor in NEWEST_PATCH:
        number = int(patch) if patch is not None else (0 if pre else NEWEST_PATCH[minor])
        return Releases((Version(1, minor, number, pre),), given=True)
    nearest = newest_of_minor(NEWEST_MINOR if (major, minor) > (1, NEWEST_MINOR) else OLDEST_MINOR)
    shown = text.strip().removeprefix("v")
    return Releases(
        (nearest,),
        given=True,
        note=f"kOps {shown} is outside the known releases 1.{OLDEST_MINOR} to 1.{NEWEST_MINOR}: "
        f"what is known of {nearest} is used instead",
        named=Version(major, minor, int(patch or 0), pre),
    )


def takes_kubernetes(kops_minor: int, kubernetes_minor: int) -> bool:
    """Whether kOps 1.`kops_minor` takes Kubernetes 1.`kubernetes_minor` (rules KV302 and KV303)."""
    return OLDEST_SUPPORTED_KUBERNETES.get(kops_minor, 0) <= kubernetes_minor <= kops_minor


def infer_releases(kubernetes: Version | None, since: int | None = None, until: int | None = None) -> Releases:
    """The releases that could apply a spec with this Kubernetes version.

    `since` and `until` are the minors between which everything written in the spec exists. Each narrows the
    range if it leaves something of it: otherwise what is written is wrong for every release that takes this
    Kubernetes, and rules say so.
    """
    minors = list(NEWEST_PATCH)
    if kubernetes is not None and kubernetes.major == 1:
        minors = [minor for minor in minors if takes_kubernetes(minor, kubernetes.minor)] or minors
    if since is not None:
        minors = [minor for minor in minors if minor >= since] or minors
    if until is not None:
        minors = [minor for minor in minors if minor <= until] or minors
    return inferred(tuple(minors))


_inferred: dict[tuple[int, ...], Releases] = {}


def inferred(minors: tuple[int, ...]) -> Releases:
    """The range of these minors, each at its newest patch; one object a range, so that files share its caches."""
    if minors not in _inferred:
        _inferred[minors] = Releases(tuple(newest_of_minor(minor) for minor in minors), given=False)
    return _inferred[minors]


def describe_minors(minors: list[int]) -> str:
    """`[19, 20, 21, 24]` -> `1.19-1.21, 1.24`."""
    parts: list[str] = []
    start = previous = None
    for minor in [*sorted(set(minors)), None]:
        if start is not None and previous is not None and (minor is None or minor != previous + 1):
            parts.append(f"1.{start}" if start == previous else f"1.{start}-1.{previous}")
            start = None
        if start is None:
            start = minor
        previous = minor
    return ", ".join(parts)
