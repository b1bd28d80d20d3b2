"""Baselines: what was there yesterday is not reported, what is new is, and what is gone is said."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calico_lint.cli import main
from tests.helpers import spec_text
from tests.report.test_formats import sarif

BAD = spec_text({"kubernetesVersion": "latest", "networking": {"calico": {"typhaReplica": 3}}}, "1.30")
KOPS = ["--kops-version", "1.30.4", "--select", "KV301,U,Y"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "a.yaml").write_text(BAD)
    assert main(["specs", *KOPS]) == 1
    assert main(["specs", *KOPS, "--write-baseline", "known.json"]) == 0
    assert capsys.readouterr().err == "calico-lint: wrote 2 findings to known.json\n"
    return tmp_path


def rules(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """`RULE PATH:LINE` of what is reported."""
    capsys.readouterr()
    main([*arguments, *KOPS, "--baseline", "known.json", "--format", "json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    return [f"{finding['rule']} {finding['path']}:{finding['line']}" for finding in findings]


def test_what_is_in_the_baseline_is_not_reported(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["specs", *KOPS, "--baseline", "known.json"]) == 0
    assert "no findings in 1 file (1 document checked), 2 in the baseline" in capsys.readouterr().out


def test_one_line_an_entry_sorted_without_line_numbers(here: Path) -> None:
    header, *entries = (here / "known.json").read_text().splitlines()
    assert json.loads(header) == {"calico-lint": "baseline", "version": 1}
    assert [json.loads(entry)["rule"] for entry in entries] == ["KV301", "U001"]
    first = json.loads(entries[0])
    assert {key: first[key] for key in ("path", "document", "field")} == {
        "path": "specs/a.yaml",
        "document": "Cluster example.net",
        "field": "spec.kubernetesVersion",
    }
    assert not any("line" in json.loads(entry) for entry in entries)


def test_lines_that_move_change_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "specs" / "a.yaml").write_text("# a comment\n\n" + BAD)
    assert rules(capsys, "specs") == []
    before = (here / "known.json").read_bytes()
    main(["specs", *KOPS, "--write-baseline", "known.json"])
    assert (here / "known.json").read_bytes() == before


def test_a_new_finding_of_the_same_rule_is_reported(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "specs" / "a.yaml").write_text(BAD + "  subnet: []\n")
    assert [rule.split(":")[0] for rule in rules(capsys, "specs")] == ["U001 specs/a.yaml"]


def test_a_copy_of_a_file_is_new(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "specs" / "b.yaml").write_text(BAD)
    assert [rule.split(":")[0] for rule in rules(capsys, "specs")] == ["KV301 specs/b.yaml", "U001 specs/b.yaml"]
    assert len(rules(capsys, "specs/b.yaml")) == 2  # also when the first is not part of the run


def test_a_file_that_was_moved_keeps_its_entries(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "specs" / "a.yaml").rename(here / "specs" / "z.yaml")
    assert rules(capsys, "specs") == []


def test_what_was_put_right_is_stale(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "specs" / "a.yaml").write_text(BAD.replace("latest", "1.30.0"))
    assert main(["specs", *KOPS, "--baseline", "known.json"]) == 0  # a warning
    captured = capsys.readouterr()
    assert "known.json:2:1: warning[Y023] no finding of KV301 in specs/a.yaml answers to this entry" in captured.out
    assert captured.err == "calico-lint: known.json: 1 entry is stale\n"
    assert main(["specs", *KOPS, "--baseline", "known.json", "--fail-on", "warning"]) == 1
    assert rules(capsys, "specs") == ["Y023 known.json:2"]


def test_only_what_was_asked_can_be_stale(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "good.yaml").write_text(spec_text(None, "1.30"))
    assert rules(capsys, "good.yaml") == []  # specs/a.yaml is there, but no part of this run
    (here / "specs" / "a.yaml").write_text(BAD.replace("latest", "1.30.0"))
    assert rules(capsys, "specs", "--ignore", "KV301") == []
    (here / "specs" / "a.yaml").unlink()
    assert rules(capsys, "good.yaml") == ["Y023 known.json:2", "Y023 known.json:3"]


def test_paths_are_seen_from_the_baseline(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here / "specs")
    assert main(["a.yaml", *KOPS, "--baseline", "../known.json"]) == 0
    (here / "specs" / "new").mkdir()
    assert main(["a.yaml", *KOPS, "--write-baseline", "new/known.json"]) == 0
    assert '"../a.yaml"' in (here / "specs" / "new" / "known.json").read_text()
    monkeypatch.chdir("/")
    assert main([str(here / "specs" / "a.yaml"), *KOPS, "--baseline", str(here / "specs/new/known.json")]) == 0


def test_sarif_marks_what_is_known(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "specs" / "a.yaml").write_text(BAD + "  subnet: []\n")
    main(["specs", *KOPS, "--baseline", "known.json", "--format", "sarif"])
    results = sarif(capsys.readouterr().out)["results"]
    assert sorted((result["ruleId"], result["baselineState"], len(result["suppressions"])) for result in results) == [
        ("KV301", "unchanged", 1),
        ("U001", "new", 0),
        ("U001", "unchanged", 1),
    ]
    assert results[0]["suppressions"][0]["kind"] == "external"


def test_a_suppressed_twin_keeps_the_fingerprint(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twins = "\n---\n".join([spec_text("kubernetesVersion: latest", "1.30").rstrip()] * 2) + "\n"
    (here / "specs" / "a.yaml").write_text(twins)
    main(["specs", *KOPS, "--write-baseline", "known.json"])
    first = twins.replace("latest", "latest # calico-lint: ignore[KV301] why", 1)
    (here / "specs" / "a.yaml").write_text(first)
    assert [rule.split()[0] for rule in rules(capsys, "specs")] == ["Y023"]  # the first entry, not the second


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "known.json: No such file or directory: --write-baseline known.json makes it"),
        ("", "known.json:1: no baseline of calico-lint"),
        ("[]", "known.json:1: no baseline of calico-lint"),
        ("\x00\xff", "known.json:1: no baseline of calico-lint"),
        ("{HEADER}\n<<<<<<< ours\n", "known.json:2: no entry of a baseline (the rest of a merge?)"),
        ("{HEADER}\n\n{}\n", "known.json:3: no entry of a baseline"),
        ('{HEADER}\n{"path": "a", "rule": "KC102", "fingerprint": 3}\n', "known.json:2: no entry of a baseline"),
    ],
)
def test_what_is_no_baseline(here: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str) -> None:
    header = '{"calico-lint": "baseline", "version": 1}'
    (here / "known.json").unlink()
    if text is not None:
        (here / "known.json").write_text(text.replace("{HEADER}", header), encoding="latin-1")
    assert main(["specs", *KOPS, "--baseline", "known.json"]) == 2
    assert said in capsys.readouterr().err


def test_a_baseline_is_written_whole_or_not_at_all(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (here / "known.json").read_bytes()
    assert main(["specs", "missing.yaml", *KOPS, "--write-baseline", "known.json"]) == 2
    assert "known.json is not written: not every path could be read" in capsys.readouterr().err
    assert main(["specs", *KOPS, "--write-baseline", "specs/a.yaml"]) == 2
    assert "specs/a.yaml is a spec to lint" in capsys.readouterr().err

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    assert main(["specs", *KOPS, "--write-baseline", "known.json"]) == 2
    assert "--write-baseline: known.json: No space left on device" in capsys.readouterr().err
    assert (here / "known.json").read_bytes() == before
    assert sorted(path.name for path in here.iterdir()) == ["known.json", "specs"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.sampled_from(["typhaReplica", "mtuu", "a.b", "ü", "x y"]), unique=True, max_size=4),
    seed=st.randoms(use_true_random=False),
)
def test_any_findings_are_all_known_afterwards(
    here: Path, capsys: pytest.CaptureFixture[str], names: list[str], seed: random.Random
) -> None:
    spec = here / "specs" / "a.yaml"
    spec.write_text(spec_text({"networking": {"calico": dict.fromkeys(names, 1)}}, "1.30"), encoding="utf-8")
    main(["specs", *KOPS, "--write-baseline", "known.json"])
    assert rules(capsys, "specs") == []
    # The order of its lines does not matter, nor does a line that stands twice (after a merge).
    header, *entries = (here / "known.json").read_text().splitlines()
    entries += entries[:1]
    seed.shuffle(entries)
    (here / "known.json").write_text("\n".join([header, *entries]))
    assert rules(capsys, "specs") == []
