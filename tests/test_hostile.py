"""Hostile and odd input, through the whole program: a clear answer in time, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calico_lint.cli import main
from calico_lint.files import MAX_BYTES
from calico_lint.report import FORMATS
from tests.helpers import ROOT, spec_text

GOOD = spec_text(None, "1.30")
KEY = "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nmetadata: {name: x}\n"
BOMB = (
    KEY
    + "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
)

# name -> (bytes, the rules of family Y that are found)
INPUT: dict[str, tuple[bytes, set[str]]] = {
    "empty": (b"", {"Y006"}),
    "blank": (b" \n\n", {"Y006"}),
    "only a separator": (b"---\n", {"Y006"}),
    "one byte too large": (GOOD.encode() + b"#" * (MAX_BYTES + 1 - len(GOOD)), {"Y010"}),
    "as large as may be": (GOOD.encode() + b"#" * (MAX_BYTES - len(GOOD)), set()),
    "alias bomb": (BOMB.encode(), {"Y008"}),
    "alias of itself": (f"{KEY}spec: &a {{b: *a}}\n".encode(), {"Y008"}),
    "nested lists": (f"{KEY}spec: {'[' * 900}{']' * 900}\n".encode(), {"Y007"}),
    "100,000 open brackets": (f"{KEY}spec: {'[' * 100_000}".encode(), {"Y007"}),
    "nested blocks": (KEY.encode() + b"".join(b"%sa:\n" % (b" " * depth) for depth in range(300)), {"Y007"}),
    "NUL": (GOOD.replace("aws", "a\0ws").encode(), {"Y001"}),
    "escape sequences": (GOOD.replace("aws", '"\\e[31m\\x07\\u202e"').encode(), set()),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), set()),
    "UTF-16 with mark": (GOOD.encode("utf-16"), {"Y003"}),
    "UTF-16 without mark": (GOOD.encode("utf-16-le"), {"Y001"}),
    "UTF-32": (b"\x00\x00\xfe\xff" + GOOD.encode("utf-32-be"), {"Y003"}),
    "Latin-1": (GOOD.replace("aws", "ä").encode("latin-1"), {"Y003"}),
    "half a surrogate pair": (GOOD.encode() + b"# \xed\xa0\x80\n", {"Y003"}),
    "CRLF": (GOOD.replace("\n", "\r\n").encode(), set()),
    "CR alone": (GOOD.replace("\n", "\r").encode(), set()),
    "tabs": (GOOD.replace("  cloudProvider", "\tcloudProvider").encode(), {"Y001"}),
    "duplicate keys": (GOOD.encode() + b"kind: Cluster\n", {"Y002"}),
    "a lost document": (GOOD.encode() + b"--- # next\n" + GOOD.encode(), {"Y005"}),
    "Helm template": (b"{{- if .Values.x }}\n" + GOOD.encode() + b"{{- end }}\n", {"Y011"}),
    "Go template in a value": (GOOD.replace("aws", "{{ .cloud }}").encode(), {"Y009"}),
    # A readable spec is linted, templates in its values or not.
    "shell template": (GOOD.replace("aws", "${CLOUD}").encode(), set()),
    "a list as a key": (GOOD.encode() + b"[a]: b\n", {"Y009"}),
    "a tag that Python knows": (GOOD.encode() + b"x: !!python/object/apply:os.system [touch pwned]\n", set()),
    "a number with 100,000 digits": (GOOD.replace("aws", "1" * 100_000).encode(), set()),
    "a key with 100,000 characters": (GOOD.encode() + b"k" * 1000 + b": 1\n", set()),
    "no mapping": (b"- a\n- b\n", {"Y006"}),
    "a list of everything": (b'{"apiVersion": "v1", "kind": "List", "items": [1, null, {"apiVersion": 3}]}', {"Y006"}),
    "JSON cut short": (b'{"apiVersion": "kops.k8s.io/v1alpha2", "kind": "Clus', {"Y001"}),
    "random": (bytes(range(256)), {"Y003"}),
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", INPUT)
def test_odd_input_gets_a_clear_answer(here: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    data, expected = INPUT[name]
    (here / "spec.yaml").write_bytes(data)
    began = time.process_time()
    code = main(["spec.yaml", "--kops-version", "1.30.4", "--format", "json", "--no-cache"])
    assert time.process_time() - began < 5
    captured = capsys.readouterr()
    assert captured.err == ""
    report = json.loads(captured.out)
    found = {finding["rule"] for finding in report["findings"]}
    assert {rule for rule in found if rule[0] == "Y"} == expected
    assert code == any(finding["severity"] == "error" for finding in report["findings"])
    assert report["summary"]["files"] == 1
    assert os.listdir(here) == ["spec.yaml"]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_renders_it(here: Path, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    for number, (data, _) in enumerate(INPUT.values()):
        if len(data) < 10**6:
            (here / f"{number:02}\udcff\n.yaml").write_bytes(data)
    assert main([".", "--kops-version", "1.30.4", "--format", format, "--no-cache"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    # A terminal must not be steered by what a file holds.
    assert not set(captured.out) & (set(map(chr, range(32))) - set("\t\n"))


@pytest.mark.parametrize("name", INPUT)
def test_a_folder_with_odd_files_is_searched_to_its_end(here: Path, name: str) -> None:
    (here / "a.yaml").write_bytes(INPUT[name][0])
    (here / "b.yaml").write_text(GOOD.replace("kubernetesVersion: 1.30.0", "kubernetesVersion: latest"))
    assert main([".", "--select", "KV301", "--no-cache", "--kops-version", "1.30.4"]) == 1


# --- Ctrl-C ---------------------------------------------------------------------------------------------

SLOW = """
import os, sys, time
from calico_lint import linter
def wait(*_, **__):
    os.write(1, b"waiting %d\\n" % os.getpid())  # at once, so that two processes do not mix
    time.sleep(60)
linter.Unit.lint = wait
from calico_lint.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_ends_it_at_once(here: Path, jobs: int) -> None:
    for number in range(4):
        (here / f"{number}.yaml").write_text(GOOD)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, ".", "--jobs", str(jobs), "--no-cache", "--output", "json=report.json"],
        cwd=here, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    workers = {int(process.stdout.readline().split()[1]) for _ in range(jobs)}
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everybody gets it
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert (out, err) == ("", "")
    assert not (here / "report.json").exists()
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
