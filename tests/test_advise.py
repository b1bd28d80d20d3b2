"""`--advise`: the few changes that are worth most, with place, change and reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from calico_lint import advise, rules
from calico_lint.cli import main
from tests.helpers import lint_text, spec_text

Run: TypeAlias = Callable[..., tuple[int, str, str]]

SPEC = spec_text(
    """
    kubernetesVersion: 1.30.4
    networking: {calico: {chainInsertMode: append, bpfLogLevel: Debug, wireguardEnabled: true}}
    ---
    {role: Node, machineType: m5.large, minSize: 3, maxSize: 60, subnets: [z1], image: amzn2-ami-hvm-2.0.20240306.2}
    ---
    {role: Node, machineType: m5.large, minSize: 3, maxSize: 3, subnets: [z1], image: amzn2-ami-hvm-2.0.20240306.2}
    """.replace("\n    ", "\n"),
    "1.30",
)
BROKEN = spec_text("networking: {calico: {typhaReplicas: -1, chainInsertMode: append}}", "1.30")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(text: str, *options: str) -> tuple[int, str, str]:
        Path("spec.yaml").write_text(text)
        code = main(["--isolated", "--no-cache", "--advise", *options, "spec.yaml"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_the_most_valuable_come_first_and_every_rule_once() -> None:
    advice = advise.advice_of(lint_text(SPEC, "1.30").findings)
    worth = [item.worth for item in advice]
    assert worth == sorted(worth, reverse=True)
    ids = [item.rule.id for item in advice]
    assert len(ids) == len(set(ids))
    assert ids[0] == "T821"
    assert ids.index("N875") < ids.index("E859")  # a warning on traffic before an info on speed
    assert "W865" not in ids  # a fact that asks for no change
    (wireguard,) = [item for item in advice if item.rule.id == "W862"]
    assert len(wireguard.findings) == 2


def test_errors_are_no_advice() -> None:
    findings = lint_text(BROKEN, "1.30").findings
    assert "KC103" in {finding.rule for finding in findings}
    assert "KC103" not in {item.rule.id for item in advise.advice_of(findings)}


def test_every_rule_has_a_worth_of_its_family() -> None:
    unknown = [rule.id for rule in rules.all_rules() if advise._worth(rule.id)[1] == "a surprise"]
    assert unknown == []


def test_every_key_of_the_table_names_rules() -> None:
    for key in advise._WORTH:
        assert rules.matching((key,))


def test_text_tells_place_change_and_reason(run: Run) -> None:
    code, out, err = run(SPEC, "--kops-version", "1.30.4")
    assert (code, err) == (0, "")
    assert out.startswith("spec.yaml: 5 changes (of ")
    assert out.count("\n   where ") == out.count("\n   change ") == out.count("\n   because ") == 5
    assert "\n1. " in out
    assert "\n6. " not in out
    assert max(len(line) for line in out.splitlines()) <= 120


def test_errors_are_said_first(run: Run) -> None:
    code, out, _ = run(BROKEN, "--kops-version", "1.30.4")
    assert code == 1
    assert out.startswith("spec.yaml: 1 error first: this spec does not work as it stands.\n")
    assert "error[KC103]" in out
    assert "[N875]" in out


def test_a_spec_that_is_right_gets_no_advice(run: Run) -> None:
    code, out, _ = run(spec_text("kubernetesVersion: 1.35.2", "1.36"), "--kops-version", "1.36.2")
    assert (code, out) == (0, "spec.yaml: nothing to change.\n")


def test_json(run: Run) -> None:
    code, out, _ = run(SPEC, "--kops-version", "1.30.4", "--format", "json")
    assert code == 0
    report = json.loads(out)
    assert report["version"] == 1
    (file,) = report["files"]
    assert file["path"] == "spec.yaml"
    assert file["errors"] == []
    assert [item["rank"] for item in file["advice"]] == [1, 2, 3, 4, 5]
    assert file["more"] > 0
    for item in file["advice"]:
        assert item["change"]
        assert item["reason"]
        assert item["protects"]
        assert item["places"][0]["line"] == item["line"] > 0


def test_selection_narrows_the_advice(run: Run) -> None:
    _, out, _ = run(SPEC, "--select", "N", "--kops-version", "1.30.4")
    assert "[N875]" in out
    assert out.startswith("spec.yaml: 1 change, ")


@pytest.mark.parametrize("options", [("--format", "sarif"), ("--statistics",), ("--fix",)])
def test_what_does_not_go_with_it(run: Run, options: tuple[str, ...]) -> None:
    code, out, err = run(SPEC, *options)
    assert (code, out) == (2, "")
    assert err.startswith("calico-lint: --advise goes with")
