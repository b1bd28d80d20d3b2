"""Settings: where the file is found, what may stand in it, and which of several values holds."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calico_lint import __version__
from calico_lint.cli import main
from calico_lint.settings import DEFAULTS, find
from calico_lint.settings_file import KEYS, json_schema, schema_text
from tests.helpers import ROOT, spec_text

BAD = spec_text("kubernetesVersion: latest", "1.30")
GOOD = spec_text(None, "1.30")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    (tmp_path / ".git").mkdir()
    (tmp_path / "specs" / "old").mkdir(parents=True)
    (tmp_path / "specs" / "bad.yaml").write_text(BAD)
    (tmp_path / "specs" / "old" / "bad.yaml").write_text(BAD)
    return tmp_path


def write(here: Path, text: str, name: str = ".calico-lint.toml") -> None:
    (here / name).write_text(text)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, tuple[Any, str]]:
    """What --show-settings says: value and origin."""
    capsys.readouterr()
    assert main(["--show-settings", "--format", "json", *arguments]) == 0
    return {key: (row["value"], row["origin"]) for key, row in json.loads(capsys.readouterr().out).items()}


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, str, str]]:
    capsys.readouterr()
    main([*arguments, "--format", "json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    return [(finding["path"], finding["rule"], finding["severity"]) for finding in findings]


# --- where the file is ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "path", "expected"),
    [
        ({".calico-lint.toml": ""}, "specs/bad.yaml", ".calico-lint.toml"),
        ({".calico-lint.toml": ""}, "specs", ".calico-lint.toml"),
        ({"specs/.calico-lint.toml": "", ".calico-lint.toml": ""}, "specs", "specs/.calico-lint.toml"),
        ({"pyproject.toml": "[tool.calico-lint]\n"}, "specs", "pyproject.toml"),
        ({"pyproject.toml": "tool.calico-lint.jobs = 1\n"}, "specs", "pyproject.toml"),
        ({"pyproject.toml": '["tool"."calico-lint"]\n'}, "specs", "pyproject.toml"),
        ({"pyproject.toml": "[tool]\ncalico-lint = {jobs = 1}\n"}, "specs", "pyproject.toml"),
        ({"pyproject.toml": "[tool.calico-lint.severity]\nKC = 'info'\n"}, "specs", "pyproject.toml"),
        ({"pyproject.toml": "[project]\nname = 'calico-lint'\n"}, "specs", None),
        ({"pyproject.toml": "[tool.other]\ncalico-lint = 1\n"}, "specs", None),
        ({"pyproject.toml": "[tool.calico-lint]", ".calico-lint.toml": ""}, ".", ".calico-lint.toml"),
        ({"specs/pyproject.toml": "[tool.x]\n", ".calico-lint.toml": ""}, "specs", ".calico-lint.toml"),
        ({".calico-lint.toml": ""}, "specs/missing/too.yaml", ".calico-lint.toml"),
        ({".calico-lint.toml": ""}, "-", ".calico-lint.toml"),
        ({}, "specs", None),
    ],
)
def test_the_nearest_file_is_found(here: Path, files: dict[str, str], path: str, expected: str | None) -> None:
    for name, text in files.items():
        write(here, text, name)
    assert find([path], "<stdin>") == expected


def test_the_search_ends_at_the_top_of_the_repository_and_at_home(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here.parent, "", ".calico-lint.toml")
    try:
        assert find(["specs"], "<stdin>") is None
        (here / ".git").rmdir()
        assert find(["specs"], "<stdin>") == "../.calico-lint.toml"  # the home folder itself counts
        monkeypatch.setenv("HOME", str(here))
        assert find(["specs"], "<stdin>") is None
    finally:
        (here.parent / ".calico-lint.toml").unlink()


def test_standard_input_is_where_its_name_says(here: Path) -> None:
    write(here, "", "specs/.calico-lint.toml")
    assert find(["-"], "<stdin>") is None
    assert find(["-"], "specs/new.yaml") == "specs/.calico-lint.toml"


def test_the_file_can_be_named_or_left_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, 'fail-on = "info"')
    write(here, '[tool.calico-lint]\nfail-on = "warning"', "specs/pyproject.toml")
    assert shown(capsys)["fail-on"] == ("info", ".calico-lint.toml")
    assert shown(capsys, "--config", "specs/pyproject.toml")["fail-on"] == ("warning", "specs/pyproject.toml")
    assert shown(capsys, "--isolated")["fail-on"] == ("error", "default")
    assert main(["specs", "--config", "nowhere.toml"]) == 2
    assert "nowhere.toml: No such file or directory" in capsys.readouterr().err


# --- which value holds ----------------------------------------------------------------------------------


def test_command_line_then_environment_then_file_then_default(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys)["kops-version"] == (None, "default")
    write(here, 'kops-version = "1.28"')
    assert shown(capsys)["kops-version"] == ("1.28", ".calico-lint.toml")
    monkeypatch.setenv("KOPS_VERSION", "1.29")
    assert shown(capsys)["kops-version"] == ("1.29", "$KOPS_VERSION")
    assert shown(capsys, "--kops-version", "1.30")["kops-version"] == ("1.30", "command line")


def test_a_given_option_replaces_the_setting_of_its_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, 'select = ["KC"]\nignore = ["KV301"]\nbaseline = "known.json"\ncache = false\ninline-ignores = false')
    values = shown(capsys, "--ignore", "KC1,KC2", "--ignore", "KE", "specs")
    assert values["ignore"] == (["KC1", "KC2", "KE"], "command line")
    assert values["select"] == (["KC"], ".calico-lint.toml")
    assert values["cache"] == (False, ".calico-lint.toml")
    assert shown(capsys, "--no-inline-ignores")["inline-ignores"] == (False, "command line")


def test_show_settings_is_toml_that_says_where_from(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, 'select = ["KC"]\n[per-file-ignores]\n"ü \\"*.yaml" = ["KV301"]\n[severity]\nKC = "info"')
    assert main(["--show-settings"]) == 0
    out = capsys.readouterr().out
    assert 'select = ["KC"]  # .calico-lint.toml\n' in out
    assert "# kops-version = (none)  # default\n" in out
    again = tomllib.loads(out)
    assert again["per-file-ignores"] == {'ü "*.yaml': ["KV301"]}
    assert set(again) | {"kops-version", "baseline", "schema", "required-version"} == set(KEYS)
    write(here, out)
    assert main(["--show-settings"]) == 0  # it can be kept as the settings file
    assert tomllib.loads(capsys.readouterr().out) == again


# --- what each setting does -----------------------------------------------------------------------------


def test_selection_and_severity(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, 'kops-version = "1.30.4"\nselect = ["KV"]\n[severity]\nK = "error"\nKV301 = "info"\nKV = "warning"')
    assert found(capsys, "specs/bad.yaml") == [("specs/bad.yaml", "KV301", "info")]
    assert main(["specs/bad.yaml"]) == 0
    assert main(["specs/bad.yaml", "--fail-on", "info"]) == 1
    write(here, 'kops-version = "1.30.4"\nignore = ["KV301"]\nselect = ["KV"]')
    assert found(capsys, "specs/bad.yaml") == []


def test_per_file_ignores_are_relative_to_their_file(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, 'kops-version = "1.30.4"\nselect = ["KV"]\n[per-file-ignores]\n"/specs/old/" = ["KV"]')
    assert [path for path, _, _ in found(capsys, "specs")] == ["specs/bad.yaml"]
    monkeypatch.chdir(here / "specs" / "old")
    assert found(capsys, "bad.yaml") == []
    assert [path for path, _, _ in found(capsys, "..")] == ["../bad.yaml"]


def test_kops_version_per_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "specs" / "bad.yaml").write_text(GOOD)
    (here / "specs" / "old" / "bad.yaml").write_text(GOOD)
    write(here, 'kops-version = "1.30.4"\nselect = ["KV"]\n[per-file-kops-version]\n"*" = "1.31"\n"old/" = "1.28.1"')
    assert {path for path, _, _ in found(capsys, "specs")} == {"specs/old/bad.yaml"}  # Kubernetes is too new there
    assert found(capsys, "specs", "--kops-version", "1.30.4") == []
    capsys.readouterr()
    main(["specs", "--format", "json"])
    files = json.loads(capsys.readouterr().out)["files"]
    assert {file["path"]: file["kops"]["version"] for file in files} == {
        "specs/bad.yaml": "1.31.0",
        "specs/old/bad.yaml": "1.28.1",
    }


def test_a_release_outside_the_tables_is_said_once_for_each(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, 'select = ["KV300"]\n[per-file-kops-version]\n"bad.yaml" = "1.99"')
    assert [rule for _, rule, _ in found(capsys, "specs")] == ["KV300"]


def test_exclusion(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, 'kops-version = "1.30.4"\nselect = ["KV"]\nexclude = ["old/"]')
    assert [path for path, _, _ in found(capsys, "specs")] == ["specs/bad.yaml"]
    assert len(found(capsys, "specs/old/bad.yaml")) == 1  # named: the user insists
    assert found(capsys, "specs/old/bad.yaml", "--only-kops") == []  # named by a hook
    assert len(found(capsys, "specs", "--exclude", "b*.yml")) == 2


def test_paths_in_the_file_are_relative_to_it(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, 'kops-version = "1.30.4"\nbaseline = "known.json"\nschema = "specs/own.json"')
    write(here, '{"required": ["owner"]}', "specs/own.json")
    monkeypatch.chdir(here / "specs")
    assert shown(capsys)["baseline"][0] == "../known.json"
    assert main(["bad.yaml", "--write-baseline", "../known.json"]) == 0
    assert main(["bad.yaml"]) == 0
    assert "U009" in (here / "known.json").read_text()


def test_limits_and_switches(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, 'kops-version = "1.30.4"\nmax-bytes = 20\nselect = ["Y"]')
    assert found(capsys, "specs/bad.yaml") == [("specs/bad.yaml", "Y010", "error")]
    assert found(capsys, "specs/bad.yaml", "--max-bytes", "10000") == []
    (here / "specs" / "bad.yaml").write_text(BAD.replace("latest", "latest # calico-lint: ignore[KV301]"))
    write(here, 'kops-version = "1.30.4"\nrequire-reason = true')
    assert ("specs/bad.yaml", "Y022", "error") in found(capsys, "specs/bad.yaml")
    write(here, 'kops-version = "1.30.4"\ninline-ignores = false')
    assert ("specs/bad.yaml", "KV301", "error") in found(capsys, "specs/bad.yaml")
    (here / ".gitignore").write_text("old/\n")
    assert main(["specs", "--list-files"]) == 0
    assert capsys.readouterr().out.split()[-1:] == ["specs/bad.yaml"]
    write(here, "respect-gitignore = false")
    assert main(["specs", "--list-files"]) == 0
    assert "specs/old/bad.yaml\n" in capsys.readouterr().out


def test_the_cache_knows_the_settings(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALICO_LINT_CACHE_DIR", str(here / "cache"))
    arguments = ["specs/bad.yaml", "--kops-version", "1.30.4", "--select", "KV"]
    assert main(arguments) == 1
    for text, code in (('[severity]\nKV = "info"', 0), ('[per-file-ignores]\n"b*" = ["KV"]', 0), ("", 1)):
        write(here, text)
        assert main(arguments) == main(arguments) == code
    assert len(list((here / "cache").iterdir())) == 3
    write(here, "cache = false")
    main([*arguments, "--quiet"])
    assert len(list((here / "cache").iterdir())) == 3


# --- what may not stand there ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('\nkops-verson = "1.30"', ":2: kops-verson: there is no such setting; did you mean `kops-version`?"),
        ("fail_on = 1", ":1: fail_on: there is no such setting; did you mean `fail-on`?"),
        ("zzz = 1", "zzz: there is no such setting; there are select, extend-select,"),
        ('fail-on = "errors"', '\'errors\' is none of "error", "warning", "info"; did you mean `error`?'),
        ('select = "KC"', ":1: select: 'KC' is not a list of texts"),
        ("select = [1]", "select: 1 is not a text"),
        ("jobs = true", "jobs: True is not a whole number"),
        ("jobs = -1", "jobs: -1 is less than 0"),
        ("cache = 1", "cache: 1 is not true or false"),
        ('kops-version = "new"', "kops-version: 'new' is not a kOps version"),
        ('[per-file-kops-version]\n"a/" = "x"', ":2: per-file-kops-version.a/: 'x' is not a kOps version"),
        ('[severity]\nKC = "fatal"', ":2: severity.KC: 'fatal' is none of \"error\""),
        ('[severity]\nKX = "error"', "severity: no rule has the id or prefix 'KX'"),
        ('select = ["KC1002"]', "toml: select: no rule has the id or prefix 'KC1002'; did you mean `KC102`?"),
        ('[per-file-ignores]\n"!a" = ["KC"]', "a pattern with `!` has nothing to take back here"),
        ('[per-file-ignores]\n"a" = ["nope"]', "per-file-ignores: no rule has the id or prefix 'nope'"),
        ('kops-version = "1.x9"', "'1.x9' is not a kOps version"),
        ('kops-version = "1.30.4.5"', "toml: kops-version: '1.30.4.5' is not a kOps version"),
        ("a = [", "no TOML: "),
        ("\x00", "no TOML: "),
        ('baseline = ""', "baseline: the text is empty"),
        ('required-version = "<0.0.1"', f"this project needs calico-lint <0.0.1, and this is {__version__}"),
        ('required-version = "about 1"', "'about 1' is no comparison"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    write(here, text)
    assert main(["specs/bad.yaml"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("calico-lint: .calico-lint.toml")
    assert said in captured.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tool.calico-lint = 3", "pyproject.toml: tool.calico-lint must be a table"),
        ("[tool.calico-lint]\nx = 1", "pyproject.toml:2: x: there is no such setting"),
        ("[tool.calico-lint]\nx = ", "pyproject.toml: no TOML"),
    ],
)
def test_what_is_wrong_in_pyproject(here: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    write(here, text, "pyproject.toml")
    assert main(["specs"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "requirement", [">=0.1", ">=0.1,<9", "!=0.0.3", "<=99", ">0.0.9.1", __version__, f"=={__version__}.0"]
)
def test_a_required_version_that_fits(here: Path, requirement: str) -> None:
    write(here, f'required-version = "{requirement}"\nselect = ["Y"]')
    assert main(["specs/bad.yaml"]) == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=60) | st.sampled_from([*KEYS]).flatmap(lambda key: st.text().map(lambda v: f"{key} = {v}"))
)
def test_any_settings_file_is_read_or_refused(here: Path, text: str) -> None:
    (here / ".calico-lint.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert main(["specs/bad.yaml", "--kops-version", "1.30.4", "--quiet"]) in (0, 1, 2)


# --- the schema for editors -----------------------------------------------------------------------------


def test_the_schema_is_committed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert (ROOT / "docs" / "settings.schema.json").read_text() == schema_text()
    assert main(["--print-schema", "settings"]) == 0
    assert capsys.readouterr().out == schema_text()


VALUES: dict[str, list[Any]] = {
    "select": [["KC"], [], "KC", [1], [""]],
    "severity": [{"KC": "info"}, {"KC": "fatal"}, [], {}],
    "fail-on": ["error", "fatal", 1],
    "kops-version": ["1.30", "v1.30.4", "x", 1.30],
    "per-file-ignores": [{"a": ["KC"]}, {"a": "KC"}, {}],
    "jobs": [0, 2, -1, 1.5, True, "2"],
    "cache": [True, 0],
    "baseline": ["a", "", 1],
    "max-bytes": [1, 0],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in VALUES.items() for value in values])
def test_the_schema_says_what_the_program_says(here: Path, key: str, value: Any) -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    valid = jsonschema.Draft202012Validator(schema).is_valid({key: value})
    # JSON is TOML's inline notation, but for the sign in a table.
    write(here, f"{key} = " + json.dumps(value).replace('": ', '" = '))
    assert (main(["--show-settings"]) == 0) is valid


def test_every_setting_has_a_place_in_the_documentation() -> None:
    assert set(KEYS) == {name.replace("_", "-") for name in DEFAULTS}
    text = (ROOT / "docs" / "settings.md").read_text()
    for key in KEYS:
        assert f"| `{key}` |" in text
    for block in text.split("```toml\n")[1:]:
        table = tomllib.loads(block.split("```")[0])
        table = table.get("tool", {}).get("calico-lint", table)
        jsonschema.Draft202012Validator(json_schema()).validate(table)


def test_a_plain_run_reads_no_toml(here: Path) -> None:
    import subprocess
    import sys

    code = "import sys; from calico_lint.cli import main; main(['specs/bad.yaml']); sys.exit('tomllib' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])}
    write(here, "[project]\nname = 'calico-lint'\n", "pyproject.toml")
    command = [sys.executable, "-S", "-c", code]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
