"""`# calico-lint: ignore[...]`: what a comment is about, what is said about comments, and what they cannot hide."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from calico_lint.cli import main
from calico_lint.rules import all_rules
from calico_lint.suppressions import suppress
from calico_lint.yaml_source import Source
from tests.helpers import lint_text
from tests.report.test_formats import sarif

# KC102 stands on `majorVersion`, KE202 on the first etcd `version`; the second document is clean but for U001.
SPEC = """\
apiVersion: kops.k8s.io/v1alpha2
kind: Cluster
metadata:
  name: example.net
spec:
  cloudProvider: aws
  kubernetesVersion: latest
  networkCIDR: 10.30.0.0/16
  networking:
    calico:
      typhaReplica: 3
      mtu: many
  nonMasqueradeCIDR: 100.64.0.0/10
  etcdClusters:
  - name: main
    etcdMembers:
    - {name: a, instanceGroup: cp-a, volumSize: 3}
  - name: events
    etcdMembers:
    - {name: a, instanceGroup: cp-a}
  subnets:
  - {name: z1, zone: us-test-1a, cidr: 10.30.32.0/19, type: Public}
---
apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata:
  name: cp-a
  labels: {kops.k8s.io/cluster: example.net}
spec:
  rol: Master
  subnets: [z1]
"""
FOUND = {"KV301:7", "U001:11", "U003:12", "U001:17", "U001:30"}
ALL = {rule.id for rule in all_rules()}


def lines_of(text: str, *, require_reason: bool = False, asked: set[str] = ALL) -> set[str]:
    """`RULE:LINE` of what is reported."""
    source = Source("spec.yaml", text.encode())
    findings = [finding for finding in lint_text(text, "1.30.4").findings if finding.rule in asked]
    findings = [finding for finding in findings if finding.rule[0] in "UKY"]
    kept, suppressed = suppress(source, findings, asked, require_reason=require_reason)
    assert len(findings) == len(suppressed) + sum(finding.rule < "Y020" for finding in kept)
    return {f"{finding.rule}:{finding.range.line}" for finding in kept}


def test_the_spec_of_these_tests() -> None:
    assert lines_of(SPEC) == FOUND


def add(line: int, comment: str) -> str:
    """The spec with a comment behind a line (no line number changes)."""
    lines = SPEC.split("\n")
    lines[line - 1] += f"  {comment}"
    return "\n".join(lines)


def insert(line: int, comment: str) -> str:
    """The spec with a comment alone on a line above this one; what stands below moves down by one."""
    lines = SPEC.split("\n")
    lines.insert(line - 1, comment)
    return "\n".join(lines)


def moved(lines: set[str], above: int) -> set[str]:
    split = [(rule, int(line)) for rule, line in (each.split(":") for each in lines)]
    return {f"{rule}:{line + (line >= above)}" for rule, line in split}


@pytest.mark.parametrize(
    ("line", "comment", "gone"),
    [
        (7, "# calico-lint: ignore[KV301] it is rendered later", {"KV301:7"}),
        (7, "# calico-lint: ignore[kv301]", {"KV301:7"}),
        (7, "# calico-lint: ignore[KV]", {"KV301:7"}),
        (7, "# calico-lint: ignore[ALL]", {"KV301:7"}),
        (7, "#calico-lint:ignore [KV301 ]: why", {"KV301:7"}),
        (7, "# yamllint disable-line # calico-lint: ignore[KV301]", {"KV301:7"}),
        (11, "# calico-lint: ignore[U]", {"U001:11"}),
        (12, "# calico-lint: ignore[KC101, U003]", {"U003:12"}),
        (30, "# calico-lint: ignore[U001]", {"U001:30"}),
    ],
)
def test_a_comment_behind_something_is_about_its_line(line: int, comment: str, gone: set[str]) -> None:
    unused = {f"Y021:{line}"} if "KC101" in comment else set()
    assert lines_of(add(line, comment)) == FOUND - gone | unused


@pytest.mark.parametrize(
    ("line", "comment", "gone"),
    [
        (7, "  # calico-lint: ignore[KV301] the line below", {"KV301:7"}),
        (11, "# calico-lint: ignore[U001] indented as one likes", {"U001:11"}),
        (9, "  # calico-lint: ignore[U] the whole block", {"U001:11", "U003:12"}),
        (5, "# calico-lint: ignore[U] all of spec, but not the other document", {"U001:11", "U003:12", "U001:17"}),
        (15, "  # calico-lint: ignore[U] one member of the list", {"U001:17"}),
        (14, "  # calico-lint: ignore[U] the list", {"U001:17"}),
        (29, "# calico-lint: ignore[U] in the second document", {"U001:30"}),
        (1, "# calico-lint: ignore-file[U] in both", {"U001:11", "U003:12", "U001:17", "U001:30"}),
        (1, "---\n# a licence\n\n# calico-lint: ignore-file[KV] the head goes on", {"KV301:7"}),
    ],
)
def test_a_comment_on_its_own_line(line: int, comment: str, gone: set[str]) -> None:
    text = insert(line, comment)
    expected = FOUND - gone
    for _ in range(comment.count("\n") + 1):
        expected = moved(expected, line)
    assert lines_of(text) == expected


def test_comments_above_one_another_are_about_the_same_entry() -> None:
    text = insert(11, "# calico-lint: ignore[KV301]\n# why\n# calico-lint: ignore[U001]")
    assert lines_of(text) == {"KV301:7", "Y021:11", "U003:15", "U001:20", "U001:33"}


@pytest.mark.parametrize(
    ("line", "comment", "said"),
    [
        (8, "  # calico-lint: ignore[KV301]", "Y021"),  # the line above the entry it is about
        (6, "# calico-lint: ignore[KV301]", "Y021"),
        (23, "# calico-lint: ignore[U]", "Y021"),  # above the separator
        (32, "# calico-lint: ignore[U]", "Y021"),  # at the end
        (7, "  # calico-lint: ignore-file[KV301]", "Y020"),
        (7, "  # calico-lint: ignore", "Y020"),
        (7, "  # calico-lint: ignore[]", "Y020"),
        (7, "  # calico-lint: disable[KV301]", "Y020"),
        (7, "  # calico-lint: ignore[KV999]", "Y020"),
    ],
)
def test_a_comment_that_does_nothing_is_a_finding(line: int, comment: str, said: str) -> None:
    assert lines_of(insert(line, comment)) == moved(FOUND, line) | {f"{said}:{line}"}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("KV3O1", "did you mean `KV301`?"),
        ("kubernetes-version-present", "did you mean its id, `KV301`?"),
        ("no such thing", "see --list-rules"),
    ],
)
def test_what_was_meant(name: str, hint: str) -> None:
    text = add(7, f"# calico-lint: ignore[{name}]")
    kept, _ = suppress(Source("spec.yaml", text.encode()), [], ALL, require_reason=False)
    (finding,) = kept
    assert finding.rule == "Y020"
    assert hint in finding.message
    place = finding.range
    assert text.split("\n")[place.line - 1][place.column - 1 : place.end_column - 1] == name


def test_each_name_between_the_brackets_is_judged() -> None:
    text = add(7, "# calico-lint: ignore[KV301, KC102, KE]")
    assert lines_of(text) == FOUND - {"KV301:7"} | {"Y021:7"}
    kept, _ = suppress(Source("x", text.encode()), lint_text(text, "1.30.4").findings, ALL, require_reason=False)
    assert [each.message.split()[0] for each in kept if each.rule == "Y021"] == ["`KC102`", "`KE`"]


def test_rules_that_were_not_asked_are_not_missed() -> None:
    text = add(8, "# calico-lint: ignore[KC102]")
    assert lines_of(text, asked=ALL - {"KC102"}) == FOUND


def test_comments_in_block_scalars_and_strings_are_none() -> None:
    script = "  additionalUserData:\n  - name: s\n    content: |\n      # calico-lint: ignore[KV]\n      x\n"
    text = SPEC.replace("  cloudProvider", f"{script}  cloudProvider", 1)
    assert "KV301:12" in lines_of(text)
    assert not any(line.startswith("Y02") for line in lines_of(text))
    quoted = SPEC.replace("latest", '"latest # calico-lint: ignore[KV301]"')
    assert "KV301:7" in lines_of(quoted)


def test_a_file_that_was_not_read_to_its_end_accuses_nobody() -> None:
    text = SPEC + "--- \n# calico-lint: ignore[U001]\na: [\n"
    assert not any(line.startswith("Y021") for line in lines_of(text))


def test_a_reason_can_be_required() -> None:
    assert lines_of(add(7, "# calico-lint: ignore[KV301] why"), require_reason=True) == FOUND - {"KV301:7"}
    assert lines_of(add(7, "# calico-lint: ignore[KV301]"), require_reason=True) == FOUND - {"KV301:7"} | {"Y022:7"}


def test_line_endings_and_a_byte_order_mark_make_no_difference() -> None:
    text = insert(9, "  # calico-lint: ignore[U] block")
    assert lines_of("\ufeff" + text.replace("\n", "\r\n")) == lines_of(text)


@given(
    line=st.integers(1, 31),
    rule=st.sampled_from(["U001", "U003", "KV301", "U", "KC", "ALL"]),
    own_line=st.booleans(),
)
def test_a_comment_hides_only_what_it_names_and_covers(line: int, rule: str, own_line: bool) -> None:
    """Whatever is hidden is named, data never changes, and a comment that hides nothing is reported."""
    assume(own_line or line != 23)  # behind a separator a comment makes kOps lose the document
    comment = f"# calico-lint: ignore[{rule}] hypothesis"
    text = insert(line, comment) if own_line else add(line, comment)
    assert list(yaml.safe_load_all(text)) == list(yaml.safe_load_all(SPEC))
    before = moved(FOUND, line) if own_line else FOUND
    after = lines_of(text)
    hidden = before - after
    assert all(each.startswith("" if rule == "ALL" else rule) for each in hidden)
    assert after - before == (set() if hidden else {f"Y021:{line}"})


# --- through the program --------------------------------------------------------------------------------


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "spec.yaml"
    path.write_text(add(7, "# calico-lint: ignore[KV301] rendered later").replace("many", "1440"))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["spec.yaml", "--kops-version", "1.30.4", *arguments])
    return code, capsys.readouterr().out


def test_what_is_suppressed_is_counted_and_marked(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "--select", "KV301")
    assert code == 0
    assert "no findings in 1 file (2 documents checked), 1 suppressed by comments" in out
    code, out = run(capsys, "--select", "KV301", "--format", "json")
    assert (json.loads(out)["summary"]["suppressed"], json.loads(out)["findings"]) == (1, [])
    code, out = run(capsys, "--format", "sarif")
    results = {result["ruleId"]: result for result in sarif(out)["results"]}
    (suppression,) = results["KV301"]["suppressions"]
    assert suppression["kind"] == "inSource"
    assert suppression["justification"] == "rendered later"
    assert suppression["location"]["physicalLocation"]["region"]["startLine"] == 7
    assert results["U001"]["suppressions"] == []
    assert "baselineState" not in results["U001"]


def test_the_owner_of_a_policy_can_switch_comments_off(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--select", "KV301", "--no-inline-ignores")[0] == 1


def test_what_is_not_selected_is_not_missed(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(add(8, "# calico-lint: ignore[KP, KN406] upgrade rules need --from"))
    assert "Y021" not in run(capsys, "--select", "U,Y")[1]
    assert "`KN406`" in run(capsys)[1]
    assert "`KP`" not in run(capsys)[1]


def test_a_comment_cannot_hide_what_is_said_about_comments(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text("# calico-lint: ignore-file[Y021]\n# calico-lint: ignore-file[KN406]\n" + SPEC)
    assert run(capsys, "--select", "Y,KN")[1].count("warning[Y021]") == 2
    assert run(capsys, "--select", "Y,KN", "--ignore", "Y021")[1].startswith("no findings")
