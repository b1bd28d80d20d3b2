"""The machine formats: golden files, what each format's reader insists on, and any text read back unchanged.

The golden files are the reports on fixtures/specs/mistakes.yaml. After an intended change, write them anew and look
at the difference: `python -m tests.report.test_formats`.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from calico_lint import __version__
from calico_lint.cli import build_parser, main
from calico_lint.finding import ORIGINS, SEVERITIES, DocumentRef, Finding, Range, Related
from calico_lint.fingerprint import fingerprints
from calico_lint.kops.releases import parse_release
from calico_lint.linter import FileReport, Input, LintResult, lint
from calico_lint.report import FORMATS, render
from calico_lint.report.machine import legal
from calico_lint.rules import all_rules
from calico_lint.yaml_source import Source
from tests.helpers import ROOT, spec_text

MISTAKES = "fixtures/specs/mistakes.yaml"
GOLDEN = Path(__file__).parent / "golden"
GOLDEN_FILES = {
    "ndjson": "mistakes.ndjson",
    "sarif": "mistakes.sarif",
    "junit": "mistakes.junit.xml",
    "github": "mistakes.github.txt",
    "gitlab": "mistakes.gitlab.json",
    "checkstyle": "mistakes.checkstyle.xml",
}
SUBSET = json.loads((Path(__file__).parent / "sarif-subset.schema.json").read_text())
GOOD = spec_text(None, "1.36")
BAD = spec_text("kubernetesVersion: latest", "1.36")
WARNING = spec_text("networking: {calico: {majorVersion: v3}}", "1.36")


def report(format: str, files: dict[str, str], *, kops: str | None = "1.36.2", **more: Any) -> str:
    """The report on files given as text, as if they had been found in a folder."""
    inputs = [Input(Source(path, text.encode()), named=False) for path, text in files.items()]
    result = lint(inputs, releases=parse_release(kops) if kops else None)
    return render(format, result, {item.source.path: item.source for item in inputs}, kops=kops, **more)


def golden_report(format: str) -> str:
    # Without --kops-version, so that a warning is among the errors.
    text = report(format, {MISTAKES: (ROOT / MISTAKES).read_text()}, kops=None)
    return text.replace(f'"{__version__}"', '"VERSION"')


def sarif(text: str) -> dict[str, Any]:
    """The run of a SARIF log that is as it should be."""
    log = json.loads(text)
    jsonschema.Draft202012Validator(SUBSET).validate(log)
    run: dict[str, Any] = log["runs"][0]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return run


# --- golden files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", GOLDEN_FILES)
def test_the_golden_reports(format: str) -> None:
    assert golden_report(format) == (GOLDEN / GOLDEN_FILES[format]).read_text()


def test_every_format_has_a_golden_file_or_tests_of_its_own() -> None:
    assert {*GOLDEN_FILES, "text", "json"} == set(FORMATS)
    assert {path.name for path in GOLDEN.iterdir()} == set(GOLDEN_FILES.values())


# --- what the readers insist on -------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((ROOT / "fixtures/specs").glob("*.yaml")), ids=lambda path: path.name)
def test_sarif_of_every_fixture(path: Path) -> None:
    sarif(report("sarif", {path.name: path.read_text()}, kops=None))


@pytest.mark.skipif("SARIF_SCHEMA" not in os.environ, reason="SARIF_SCHEMA names no copy of sarif-schema-2.1.0.json")
def test_sarif_against_the_schema_of_the_standard() -> None:
    official = json.loads(Path(os.environ["SARIF_SCHEMA"]).read_text())
    files = {path.name: path.read_text() for path in sorted((ROOT / "fixtures/specs").glob("*.yaml"))}
    for log in (report("sarif", files, kops=None), report("sarif", {"a.yaml": GOOD}), report("sarif", {"v": "a: 1"})):
        jsonschema.Draft4Validator(official).validate(json.loads(log))


def test_a_sarif_result_points_at_the_spot() -> None:
    (result,) = sarif(report("sarif", {"folder/bad spec.yaml": BAD}))["results"]
    line = next(number for number, text in enumerate(BAD.split("\n"), 1) if "latest" in text)
    assert result["level"] == "error"
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "folder/bad%20spec.yaml", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": line, "startColumn": 22, "endLine": line, "endColumn": 28},
            },
            "logicalLocations": [{"fullyQualifiedName": "spec.kubernetesVersion", "kind": "property"}],
        }
    ]


def test_sarif_explains_the_rules_that_occur_and_no_others() -> None:
    run = sarif(report("sarif", {"a.yaml": BAD, "b.yaml": WARNING}))
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert set(rules) == {result["ruleId"] for result in run["results"]}
    assert rules["KV301"]["name"] == "kubernetes-version-present"
    assert rules["KV301"]["help"]["markdown"].startswith("# KV301 kubernetes-version-present\n")
    assert rules["KV301"]["helpUri"] == "https://calico-lint.readthedocs.io/rules/KV301/"


def test_code_scanning_shows_whole_descriptions() -> None:
    # GitHub cuts names at 255 characters and descriptions at 1024.
    for rule in all_rules():
        assert len(rule.name) <= 255
        assert 0 < len(rule.text.title) <= 1024
        assert 0 < len(rule.text.body) <= 1024


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("a:b/ü #1%.yaml", {"uri": "a%3Ab/%C3%BC%20%231%25.yaml", "uriBaseId": "%SRCROOT%"}),
        ("<stdin>", {"uri": "%3Cstdin%3E", "uriBaseId": "%SRCROOT%"}),
        ("bad\udcff.yaml", {"uri": "bad%FF.yaml", "uriBaseId": "%SRCROOT%"}),
        ("..a/b.yaml", {"uri": "..a/b.yaml", "uriBaseId": "%SRCROOT%"}),
        ("/no such/b.yaml", {"uri": "file:///no%20such/b.yaml"}),
    ],
)
def test_sarif_uris(path: str, uri: dict[str, str]) -> None:
    (result,) = sarif(report("sarif", {path: BAD}))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == uri


def test_sarif_resolves_what_lies_above_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (result,) = sarif(report("sarif", {"../bad.yaml": BAD}))["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote(uri) == f"file://{os.path.realpath(tmp_path)}/bad.yaml"


def test_sarif_tells_what_was_not_checked() -> None:
    run = sarif(report("sarif", {"values.yaml": "a: 1\n"}, unreadable=["missing.yaml: No such file or directory"]))
    assert run["invocations"] == [
        {
            "executionSuccessful": False,
            "toolExecutionNotifications": [
                {"level": "error", "message": {"text": "missing.yaml: No such file or directory"}},
                {
                    "level": "note",
                    "message": {"text": "skipped: no kOps apiVersion"},
                    "locations": [
                        {"physicalLocation": {"artifactLocation": {"uri": "values.yaml", "uriBaseId": "%SRCROOT%"}}}
                    ],
                },
            ],
        }
    ]


def test_a_clean_run() -> None:
    files = {"good.yaml": GOOD}
    run = sarif(report("sarif", files))
    assert run["results"] == run["tool"]["driver"]["rules"] == []
    assert run["invocations"][0] == {"executionSuccessful": True, "toolExecutionNotifications": []}
    assert report("github", files) == ""
    assert json.loads(report("gitlab", files)) == []
    (summary,) = report("ndjson", files).splitlines()
    assert json.loads(summary)["type"] == "summary"
    assert [file.get("name") for file in ElementTree.fromstring(report("checkstyle", files))] == ["good.yaml"]
    ((case,),) = ElementTree.fromstring(report("junit", files))
    assert (case.get("name"), case.get("classname"), len(case)) == ("no findings", "good.yaml", 0)


def test_ndjson_holds_what_json_holds() -> None:
    files = {"bad.yaml": BAD, "values.yaml": "a: 1\n"}
    whole = json.loads(report("json", files))
    *findings, summary = (json.loads(line) for line in report("ndjson", files).splitlines())
    assert [finding.pop("type") for finding in findings] == ["finding"]
    assert summary.pop("type") == "summary"
    assert {**summary, "findings": findings} == whole


def test_junit_is_as_red_as_the_exit_code() -> None:
    files = {"bad.yaml": BAD, "warning.yaml": WARNING, "values.yaml": "a: 1\n"}
    root = ElementTree.fromstring(report("junit", files))
    assert {key: root.get(key) for key in ("tests", "failures", "skipped", "errors")} == {
        "tests": "3", "failures": "1", "skipped": "1", "errors": "0",
    }  # fmt: skip
    bad, warning, values = root
    assert bad.get("failures") == "1"
    assert bad[0].get("name") == "KV301 spec.kubernetesVersion of Cluster example.net"
    assert warning.get("failures") == "0"
    assert (warning[0].findtext("system-out") or "").startswith("warning.yaml:")
    assert values[0][0].get("message") == "no kOps apiVersion"
    strict = ElementTree.fromstring(report("junit", files, fail_on="warning"))
    assert strict.get("failures") == "2"


def test_junit_tells_like_findings_apart() -> None:
    result, sources = made([("KV301", "twice"), ("KV301", "twice")])
    suite = ElementTree.fromstring(render("junit", result, sources))[0]
    assert [case.get("name") for case in suite] == ["KV301 spec.x", "KV301 spec.x (2)"]


def test_github_takes_columns_on_one_line_only() -> None:
    result, sources = made([("KV301", "a: b, 100%\nnext")])
    assert render("github", result, sources) == (
        "::error file=spec.yaml,line=1,endLine=1,col=2,endColumn=3,"
        "title=KV301 kubernetes-version-present::a: b, 100%25%0Anext\n"
    )
    result.findings[0].range.end_line = 2
    assert ",line=1,endLine=2,title=" in render("github", result, sources)


def test_a_message_makes_no_link() -> None:
    result, sources = made([("KV301", "see [here](https://example.org) and `a[0]`")])
    (shown,) = sarif(render("sarif", result, sources))["results"]
    assert shown["message"]["text"] == "see [here\\](https://example.org) and `a[0]`"


# --- fingerprints ---------------------------------------------------------------------------------------

TWO = spec_text("networking: {calico: {MTU: 1, typhaReplica: 2}}", "1.36")


def prints_of(files: dict[str, str]) -> dict[str, list[str]]:
    inputs = [Input(Source(path, text.encode())) for path, text in files.items()]
    result = lint(inputs, releases=parse_release("1.36.2"))
    prints = fingerprints(result.findings, {item.source.path: item.source for item in inputs})
    found: dict[str, list[str]] = {path: [] for path in files}
    for finding, value in zip(result.findings, prints, strict=True):
        found[finding.path].append(value)
    return found


def test_fingerprints_stay_when_lines_and_files_move() -> None:
    (before,) = prints_of({"a.yaml": TWO}).values()
    assert len(set(before)) == 2
    moved = prints_of({"a.yaml": BAD, "z.yaml": "# a comment\n\n" + TWO})
    assert moved["z.yaml"] == before


def test_fingerprints_change_with_what_is_wrong() -> None:
    (before,) = prints_of({"a.yaml": BAD}).values()
    for other in (BAD.replace("latest", "newest"), BAD.replace("example.net", "example.org")):
        (after,) = prints_of({"a.yaml": other}).values()
        assert set(after).isdisjoint(before)


def test_like_findings_have_fingerprints_of_their_own() -> None:
    result, sources = made([("KV301", "one"), ("KV301", "two"), ("KV301", "three")])
    prints = fingerprints(result.findings, sources)
    assert len(set(prints)) == 3
    del result.findings[2]
    assert fingerprints(result.findings, sources) == prints[:2]


def test_gitlab_fingerprints_differ_between_copies_of_a_file() -> None:
    issues = json.loads(report("gitlab", {"a.yaml": BAD, "b.yaml": BAD}))
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == 2


# --- any text -------------------------------------------------------------------------------------------

NAMES = {rule.id: rule.name for rule in all_rules()}


def made(messages: list[tuple[str, str]], path: str = "spec.yaml") -> tuple[LintResult, dict[str, Source]]:
    """A result with errors of the given rules and messages, all at one place."""
    result = LintResult()
    result.files.append(FileReport(path))
    for rule, message in messages:
        result.findings.append(
            Finding(
                rule=rule, name=NAMES[rule], severity="error", origin="calico", message=message, path=path,
                range=Range(1, 2, 1, 3), field="spec.x",
            )
        )  # fmt: skip
    return result, {path: Source(path, b"a: 1\nb: 2\n")}


ANY_TEXT = st.text(st.characters())  # halves of surrogate pairs too
# What a file can be called, in UTF-8 or not.
ANY_PATH = (st.text(min_size=1) | st.binary(min_size=1).map(os.fsdecode)).filter(lambda path: "\0" not in path)
PLACES = st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(0, 5)).map(
    lambda place: Range(place[0], place[1], place[0], place[1] + place[2])
)


@st.composite
def results(draw: st.DrawFn) -> tuple[LintResult, dict[str, Source]]:
    result = LintResult()
    sources = {}
    for path in draw(st.lists(ANY_PATH, max_size=3, unique=True)):
        file = FileReport(path)
        file.skipped = draw(st.none() | ANY_TEXT.filter(bool))
        result.files.append(file)
        sources[path] = Source(path, b"a: 1\nb: 2\n")
        if file.skipped:
            continue
        for _ in range(draw(st.integers(0, 3))):
            rule = draw(st.sampled_from(sorted(NAMES)))
            result.findings.append(
                Finding(
                    rule=rule,
                    name=NAMES[rule],
                    severity=draw(st.sampled_from(SEVERITIES)),
                    origin=draw(st.sampled_from(ORIGINS)),
                    message=draw(ANY_TEXT),
                    path=path,
                    range=draw(PLACES),
                    document=draw(st.none() | st.builds(DocumentRef, st.just(0), st.none() | ANY_TEXT, ANY_TEXT)),
                    field=draw(st.none() | ANY_TEXT),
                    related=tuple(draw(st.lists(st.builds(Related, st.just(path), PLACES, ANY_TEXT), max_size=2))),
                )
            )
    return result, sources


def as_json(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


@given(results())
def test_json_formats_read_back(made: tuple[LintResult, dict[str, Source]]) -> None:
    result, sources = made
    messages = [as_json(finding.message) for finding in result.findings]
    paths = [as_json(finding.path) for finding in result.findings]

    issues = json.loads(render("gitlab", result, sources).encode("ascii"))
    assert [issue["description"].removeprefix(f"{issue['check_name']}: ") for issue in issues] == messages
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)

    lines = render("ndjson", result, sources)
    assert lines.encode("ascii").endswith(b"\n")
    *findings, _ = (json.loads(line) for line in lines.splitlines())
    assert [(finding["message"], finding["path"]) for finding in findings] == list(zip(messages, paths, strict=True))


# By the grammar of embedded links in plain messages.
LINK = re.compile(r"\[(?:[^\\\[\]]|\\[\\\[\]])*\]\([^)]*\)")


@given(results())
def test_sarif_reads_back(made: tuple[LintResult, dict[str, Source]]) -> None:
    result, sources = made
    shown = sarif(render("sarif", result, sources))["results"]
    texts = [each["message"]["text"] for each in shown]
    assert not any(LINK.search(text) for text in texts)
    unescaped = [re.sub(r"(\\+)\]\(", lambda match: match[1][: len(match[1]) // 2] + "](", text) for text in texts]
    assert unescaped == [as_json(finding.message) for finding in result.findings]


@given(results(), st.sampled_from(SEVERITIES))
def test_xml_formats_read_back(made: tuple[LintResult, dict[str, Source]], fail_on: str) -> None:
    result, sources = made
    by_path: dict[str, list[str]] = {file.path: [] for file in result.files if not file.skipped}
    for finding in result.findings:
        by_path[finding.path].append(legal(finding.message))
    expected = [(legal(path), messages) for path, messages in by_path.items()]

    checkstyle = ElementTree.fromstring(render("checkstyle", result, sources).encode("ascii"))
    assert [(file.get("name"), [error.get("message") for error in file]) for file in checkstyle] == expected

    junit = ElementTree.fromstring(render("junit", result, sources, fail_on=fail_on).encode("ascii"))
    read = []
    for suite in junit:
        if suite.find("testcase/skipped") is None:
            texts = [case[0].text or "" for case in suite if len(case)]
            read.append((suite.get("name"), [re.sub(r"(?s)\A.*?:\d+:\d+: \w+\[\w+\] ", "", text) for text in texts]))
            assert len({case.get("name") for case in suite}) == len(suite)
    assert read == expected
    reasons = [case.get("message") for case in junit.iter("skipped")]
    assert reasons == [legal(file.skipped) for file in result.files if file.skipped]


@given(results())
def test_github_commands_read_back(made: tuple[LintResult, dict[str, Source]]) -> None:
    result, sources = made
    text = render("github", result, sources)
    assert "\r" not in text
    lines = text.split("\n")[:-1]
    assert len(lines) == len(result.findings)
    for line, finding in zip(lines, result.findings, strict=True):
        match = re.fullmatch(r"::(error|warning|notice) ([^:]*)::(.*)", line, re.DOTALL)
        assert match is not None
        properties = dict(item.split("=", 1) for item in match[2].split(","))
        assert unescaped(properties["file"]) == finding.path
        assert unescaped(match[3]) == finding.message


def unescaped(text: str) -> str:
    return re.sub("%(0D|0A|3A|2C|25)", lambda match: chr(int(match[1], 16)), text)


# --- the command line -----------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CALICO_LINT_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "bad.yaml").write_text(BAD)
    return folder


def run(*arguments: str) -> int:
    return main(["bad.yaml", "--kops-version", "1.36.2", *arguments])


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_on_standard_output_and_in_a_file_is_the_same(
    here: Path, capsys: pytest.CaptureFixture[str], format: str
) -> None:
    assert run("--format", format) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert run("--output", f"{format}=report") == 1
    assert (here / "report").read_text() == captured.out


def test_several_reports_of_one_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "junit.xml").write_text("of yesterday")
    assert run("--output", "sarif=a=b.sarif", "--output", "junit=junit.xml", "--quiet", "--color", "always") == 1
    assert "KV301" in capsys.readouterr().out
    assert len(sarif((here / "a=b.sarif").read_text())["results"]) == 1
    assert ElementTree.parse(here / "junit.xml").getroot().get("failures") == "1"
    assert sorted(os.listdir(here)) == ["a=b.sarif", "bad.yaml", "junit.xml"]


def test_a_text_report_in_a_file_has_no_colours(here: Path) -> None:
    run("--output", "text=report.txt", "--color", "always")
    assert "\x1b" not in (here / "report.txt").read_text()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("sarif", "'sarif' is not FORMAT=FILE; FORMAT is one of text, json, ndjson, sarif, junit, github, gitlab, "),
        ("sarif=", "'sarif=' is not FORMAT=FILE"),
        ("xml=report.xml", "'xml=report.xml' is not FORMAT=FILE"),
        ("json=-", "for standard output use --format json"),
        ("json=./bad.yaml", "is a spec to lint"),
        ("json=no/such/report", "no/such/report: No such file or directory"),
        ("json=.", ".: Is a directory"),
    ],
)
def test_an_output_that_cannot_be(here: Path, capsys: pytest.CaptureFixture[str], value: str, said: str) -> None:
    assert run("--output", value) == 2
    assert said in capsys.readouterr().err
    assert os.listdir(here) == ["bad.yaml"]
    assert (here / "bad.yaml").read_text() == BAD


def test_one_file_takes_one_report(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--output", "json=x", "--output", "sarif=x") == 2
    assert "x is named twice" in capsys.readouterr().err


def test_a_failed_output_hides_neither_the_report_nor_the_other_files(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--output", "json=no/such", "--output", "json=report.json", "--exit-zero") == 2
    captured = capsys.readouterr()
    assert "error[KV301]" in captured.out
    assert captured.err == "calico-lint: --output: no/such: No such file or directory\n"
    assert json.loads((here / "report.json").read_text())["summary"]["errors"] == 1


def test_a_report_is_written_whole_or_not_at_all(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (here / "report.json").write_text("of yesterday")
    monkeypatch.setattr("os.replace", fail)
    assert run("--output", "json=report.json") == 2
    assert "report.json: No space left on device" in capsys.readouterr().err
    assert (here / "report.json").read_text() == "of yesterday"
    assert sorted(os.listdir(here)) == ["bad.yaml", "report.json"]


def test_a_link_stays_a_link(here: Path) -> None:
    (here / "folder").mkdir()
    (here / "report.json").symlink_to("folder/real.json")
    assert run("--output", "json=report.json") == 1
    assert (here / "report.json").is_symlink()
    assert json.loads((here / "folder" / "real.json").read_text())["version"] == 1


def test_a_pipe_stays_a_pipe(here: Path) -> None:
    os.mkfifo(here / "pipe")
    reader = os.open(here / "pipe", os.O_RDWR | os.O_NONBLOCK)
    try:
        assert run("--output", "github=pipe") == 1
        assert os.read(reader, 65536).startswith(b"::error file=bad.yaml,")
    finally:
        os.close(reader)
    assert stat.S_ISFIFO((here / "pipe").stat().st_mode)


def test_a_cached_run_still_writes_its_files(here: Path) -> None:
    run()
    for _ in range(2):
        assert run("--output", "sarif=report.sarif") == 1
        (here / "report.sarif").unlink()


def test_the_cache_knows_formats_and_folders(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--format", "sarif") == run("--format", "junit") == run("--format", "sarif") == 1
    capsys.readouterr()
    uris = []
    for name in ("one", "two"):
        (here / name / "below").mkdir(parents=True)
        (here / name / "bad.yaml").write_text(BAD)
        monkeypatch.chdir(here / name / "below")
        main(["../bad.yaml", "--kops-version", "1.36.2", "--format", "sarif"])
        (result,) = sarif(capsys.readouterr().out)["results"]
        uris.append(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
    assert [uri.split("/")[-2] for uri in uris] == ["one", "two"]


@pytest.mark.parametrize("variable", ["GITHUB_ACTIONS", "GITLAB_CI", "CI"])
def test_nothing_is_switched_on_by_itself(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    monkeypatch.setenv(variable, "true")
    run("--no-cache")
    assert capsys.readouterr().out.startswith("bad.yaml:")


def test_prose_goes_to_standard_error(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("missing.yaml", "--format", "sarif") == 2
    captured = capsys.readouterr()
    assert "missing.yaml: No such file or directory" in captured.err
    assert sarif(captured.out)["invocations"][0]["executionSuccessful"] is False


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_loads_no_other(here: Path, format: str) -> None:
    code = (
        "import sys; from calico_lint.cli import main; "
        f"main(['bad.yaml', '--kops-version', '1.30.4', '--no-cache', '--format', {format!r}]); "
        "print(sorted(name for name in sys.modules if name.startswith(('calico_lint.report.', 'xml', "
        "'calico_lint.fingerprint'))), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])}
    result = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env=environment)
    loaded = result.stderr.strip()
    formats = {name for name in FORMATS if f"'calico_lint.report.{name}'" in loaded}
    assert formats == {format} | ({"json"} if format == "ndjson" else set())
    assert ("xml.etree" in loaded) == (format in ("junit", "checkstyle"))
    assert ("fingerprint" in loaded) == (format in ("sarif", "gitlab"))


def test_the_pipelines_of_the_documentation() -> None:
    text = (ROOT / "docs" / "ci.md").read_text()
    for snippet in re.findall(r"(?ms)^```yaml\n(.*?)^```", text):
        assert yaml.safe_load(snippet)
    commands = re.findall(r"(?m)(?:- |run: |`)calico-lint (-[^`\n]*)", text)
    assert len(commands) == 3
    for command in commands:
        options = build_parser().parse_args(command.split())
        assert options.paths == ["clusters/"]
        assert {value.split("=")[0] for value in options.output} <= set(FORMATS)
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", text)) == set(FORMATS)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, file in GOLDEN_FILES.items():
        (GOLDEN / file).write_text(golden_report(name))
