"""kOps releases: parsing, order, ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calico_lint.kops.releases import (
    NEWEST_PATCH,
    ReleaseError,
    Version,
    describe_minors,
    infer_releases,
    newest_of_minor,
    parse_kubernetes,
    parse_release,
    parse_semver,
)


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("1.36.2", "1.36.2"),
        ("v1.36.2", "1.36.2"),
        ("1.36", "1.36.2"),  # the newest patch known
        ("1.12", "1.12.3"),
        ("1.11.0-beta.1", "1.11.0-beta.1"),
        ("1.30-alpha.1", "1.30.0-alpha.1"),
        (" 1.20.1 ", "1.20.1"),
        ("1.20.1+build", "1.20.1"),
    ],
)
def test_releases_are_read(text: str, release: str) -> None:
    releases = parse_release(text)
    assert (str(releases), releases.given, releases.note) == (release, True, None)


@pytest.mark.parametrize(
    ("text", "nearest"), [("1.37.0-alpha.1", "1.36.2"), ("2.0.0", "1.36.2"), ("1.5.3", "1.8.1"), ("0.9", "1.8.1")]
)
def test_outside_the_tables_the_nearest_release_stands_in(text: str, nearest: str) -> None:
    releases = parse_release(text)
    assert str(releases) == nearest
    assert releases.note
    assert text in releases.note


@pytest.mark.parametrize("text", ["", "1", "latest", "1.x", "1.2.3.4", "1.02.3", "-1.2", "1.2.", "1.2.3-"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ReleaseError, match=r"X\.Y"):
        parse_release(text)


def test_order_is_that_of_semver() -> None:
    ordered = ["1.9.2", "1.11.0-alpha.1", "1.11.0-beta.1", "1.11.0-beta.2", "1.11.0-beta.11", "1.11.0", "1.11.1"]
    versions = [parse_semver(text) for text in ordered]
    assert versions == sorted(versions)  # type: ignore[type-var]


@pytest.mark.parametrize("text", [None, 1.3, "1.3", "1.3.4.5", "x", "1.03.4", ""])
def test_semver_needs_three_numbers(text: object) -> None:
    assert parse_semver(text) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.30.2", "1.30.2"),
        ("v1.30.2", "1.30.2"),
        ("1.30", "1.30.0"),
        ("1", "1.0.0"),
        (" 1.9.11 ", "1.9.11"),
        ("1.30.0-beta.1", "1.30.0-beta.1"),
        ("https://storage.googleapis.com/kubernetes-release/release/v1.18.3", "1.18.0"),
        ("latest", None),
        ("1.30-beta.1", None),
        ("", None),
        (1.3, None),
        (None, None),
    ],
)
def test_kubernetes_versions_are_read_as_kops_reads_them(text: object, version: str | None) -> None:
    parsed = parse_kubernetes(text)
    assert (str(parsed) if parsed else None) == version


@pytest.mark.parametrize(
    ("kubernetes", "releases"),
    [
        ("1.36.0", "1.36"),
        ("1.35.2", "1.35-1.36"),
        ("1.25.4", "1.25-1.31"),
        ("1.19.7", "1.19-1.24"),
        ("1.12.10", "1.12-1.19"),
        ("1.10.13", "1.10-1.18"),
        ("1.7.16", "1.8-1.15"),
        ("1.40.0", "1.8-1.36"),  # no release takes it: all stay in question
    ],
)
def test_the_range_follows_the_kubernetes_version(kubernetes: str, releases: str) -> None:
    assert str(infer_releases(parse_semver(kubernetes))) == releases


def test_fields_narrow_the_range_but_never_to_nothing() -> None:
    kubernetes = parse_semver("1.25.4")
    assert str(infer_releases(kubernetes, since=27)) == "1.27-1.31"
    assert str(infer_releases(kubernetes, since=27, until=28)) == "1.27-1.28"
    assert str(infer_releases(kubernetes, since=35)) == "1.25-1.31"
    assert str(infer_releases(None)) == "1.8-1.36"


@given(st.lists(st.sampled_from(sorted(NEWEST_PATCH)), min_size=1))
def test_described_minors_name_exactly_the_minors(minors: list[int]) -> None:
    named: set[int] = set()
    for part in describe_minors(minors).split(", "):
        first, _, last = part.partition("-")
        numbers = [int(text.removeprefix("1.")) for text in (first, last or first)]
        named.update(range(numbers[0], numbers[1] + 1))
    assert named == set(minors)


@given(st.sampled_from(sorted(NEWEST_PATCH)), st.integers(0, 9))
def test_every_known_release_is_taken_as_it_is(minor: int, patch: int) -> None:
    assert parse_release(f"1.{minor}.{patch}").first == Version(1, minor, patch)
    assert parse_release(f"1.{minor}").first == newest_of_minor(minor)
