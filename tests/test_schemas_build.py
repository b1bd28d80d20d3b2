"""The schema files are what the field table says, and the table holds together."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas import build
from tests.helpers import ROOT

COMMAND = [sys.executable, "-m", "schemas.build", "--check"]


def rows() -> list[dict[str, str]]:
    with open(ROOT / "schemas" / "fields.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_are_up_to_date() -> None:
    result = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_drift_is_named(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "schemas" / "cluster-v1alpha2.json").write_text("{}")
    (tmp_path / "schemas" / "instancegroup-v1alpha3.json").unlink()
    result = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert "schemas/cluster-v1alpha2.json" in result.stderr
    assert "schemas/instancegroup-v1alpha3.json" in result.stderr
    assert "cluster-v1alpha3" not in result.stderr
    subprocess.run([sys.executable, "schemas/build.py"], cwd=tmp_path, check=True)
    assert subprocess.run(COMMAND, cwd=tmp_path).returncode == 0
    built = (tmp_path / "schemas" / "cluster-v1alpha2.json").read_bytes()
    assert built == (ROOT / "schemas" / "cluster-v1alpha2.json").read_bytes()


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["--nosuch"]) == 2
    assert "usage" in capsys.readouterr().err


def test_building_twice_gives_the_same_text() -> None:
    assert build.render("Cluster", "v1alpha3") == build.render("Cluster", "v1alpha3")


def test_the_table_is_sorted_and_complete() -> None:
    table = rows()
    assert list(table[0]) == ["kind", "path", "api", "type", "since", "until", "values", "moved_to"]
    keys = [(row["kind"], row["path"].lower(), row["path"]) for row in table]
    assert keys == sorted(keys)
    known = {(row["kind"], row["path"], row["api"]) for row in table}
    for row in table:
        parent = row["path"].rpartition(".")[0]
        while parent.endswith(("[]", "{}")) and not any((row["kind"], parent, api) in known for api in _apis(row)):
            parent = parent[:-2]
        assert not parent or any((row["kind"], parent, api) in known for api in _apis(row)), row["path"]


def _apis(row: dict[str, str]) -> tuple[str, ...]:
    return ("both",) if row["api"] == "both" else (row["api"], "both")


def test_every_move_leads_to_a_field_of_v1alpha3() -> None:
    newest = {(row["kind"], row["path"]) for row in rows() if row["api"] in ("v1alpha3", "both") and not row["until"]}
    moves = [row for row in rows() if row["moved_to"]]
    assert len(moves) > 80
    for row in moves:
        assert (row["kind"], row["moved_to"].removeprefix("!")) in newest, row["path"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Cluster,spec.x,v1alpha2,strin,,,,", "there is no type 'strin'"),
        ("Cluster,spec.x,v1alpha3,string,,1.22,,", "before it begins"),
        ("Cluster,spec.x,v1alpha2,string,1.20,1.19,,", "before it begins"),
        ("Cluster,spec.x,v1alpha2,string,,1.19,,\nCluster,spec.x,v1alpha2,boolean,1.21,,,", "does not follow"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(
    line: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _table(tmp_path, line)
    monkeypatch.setattr(build, "HERE", str(tmp_path))
    with pytest.raises(build.TableError, match=reason):
        build.read_table("Cluster", line.split(",")[2])


def test_what_a_row_becomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _table(
        tmp_path,
        "Cluster,spec.a[].b,both,string,1.19,1.25,x|y,\n"
        "Cluster,spec.c{},both,boolean,,,,!spec.d\n"
        "Cluster,spec.e,v1alpha2,string,,1.20,,\n"
        "Cluster,spec.e,v1alpha2,int32,1.21,,,",
        "Cluster,spec.a[],both,object,,,,",
    )
    monkeypatch.setattr(build, "HERE", str(tmp_path))

    def spec(api: str) -> Any:
        schema = json.loads(build.render("Cluster", api))
        return schema["$defs"]["spec"]["properties"], schema["$defs"]

    properties, definitions = spec("v1alpha2")
    assert properties["a"]["items"] == {"$ref": "#/$defs/a"}
    inner = definitions["a"]["properties"]["b"]
    assert (inner["enum"], inner["x-kops-since"], inner["x-kops-until"]) == (["x", "y", "", None], 19, 25)
    assert properties["c"]["additionalProperties"] == {"$ref": "#/$defs/boolean"}
    assert properties["c"]["x-kops-moved-to"] == "!spec.d"
    assert properties["e"]["anyOf"] == [
        {"$ref": "#/$defs/string", "x-kops-until": 20},
        {"$ref": "#/$defs/int32", "x-kops-since": 21},
    ]
    properties, definitions = spec("v1alpha3")
    assert "e" not in properties
    assert "x-kops-since" not in definitions["a"]["properties"]["b"]  # v1alpha3 itself begins with 1.23


def _table(folder: Path, *lines: str) -> None:
    head = "kind,path,api,type,since,until,values,moved_to\nCluster,spec,both,object,,,,\n"
    (folder / "fields.csv").write_text(head + "\n".join(reversed(lines)) + "\n")


def test_the_built_files_are_small() -> None:
    sizes = [
        os.path.getsize(ROOT / "schemas" / build.file_name(kind, api)) for kind in build.KINDS for api in build.APIS
    ]
    assert max(sizes) < 100_000
