"""`--fix`, `--diff` and `--unsafe-fixes` as a user runs them, and what can go wrong while a file is written."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from calico_lint import rewrite
from calico_lint.cli import main
from calico_lint.rewrite import RewriteError

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes, links and pipes of POSIX")

SPEC = """\
# größer als Zürich
apiVersion: kops.k8s.io/v1alpha2
kind: Cluster
metadata: {name: example.net}   # the name
spec:
  cloudProvider: aws
  kubernetesVersion: 1.30.2
  networkCIDR: 10.30.0.0/16
  nonMasqueradeCIDR: 100.64.0.0/10
  subnets:
  - {name: z1, zone: us-test-1a, cidr: 10.30.32.0/19, type: Public}
  etcdClusters:
  - {name: main, etcdMembers: [{name: a, instanceGroup: cp-a}]}
  - {name: events, etcdMembers: [{name: a, instanceGroup: cp-a}]}
  networking:
    calico:   # 🐙 the network
      iptablesBackend: nft
      typhaReplica: 3
"""
SAFE = SPEC.replace("nft", "NFT")
MARK = b"\xef\xbb\xbf"
ALL = SAFE.replace("Replica:", "Replicas:")


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def run(*arguments: str) -> int:
    return main(["--kops-version", "1.30.4", "--select", "U,KC,Y", *arguments])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- what it does ---------------------------------------------------------------------------------------


def test_fix_applies_the_safe_ones_and_reports_the_rest(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--fix", "spec.yaml") == 1
    assert spec.read_text(encoding="utf-8") == SAFE
    out, err = capsys.readouterr()
    assert "KC104" not in out
    assert "= --fix --unsafe-fixes: rename spec.networking.calico.typhaReplica to typhaReplicas" in out
    assert "1 fixable with --fix --unsafe-fixes" in out
    assert err == "calico-lint: fixed 1 finding in 1 file (KC104)\n"


def test_unsafe_fixes_leave_nothing(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--fix", "--unsafe-fixes", "--format", "json", "spec.yaml") == 0
    assert spec.read_text(encoding="utf-8") == ALL
    assert json.loads(capsys.readouterr().out)["findings"] == []
    assert run("--fix", "--unsafe-fixes", "spec.yaml") == 0
    assert capsys.readouterr().err == ""


def test_without_fix_the_report_says_what_could_be_done(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("spec.yaml") == 1
    assert spec.read_text(encoding="utf-8") == SPEC
    assert "\n1 fixable with --fix, 1 more with --fix --unsafe-fixes\n" in capsys.readouterr().out
    assert run("--format", "json", "spec.yaml") == 1
    findings = {each["rule"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["KC104"]["fix"] == {
        "safe": True,
        "edits": [{"line": 17, "column": 24, "end_line": 17, "end_column": 27, "text": "NFT"}],
    }
    assert findings["U001"]["fix"]["safe"] is False


def test_unsafe_fixes_alone_are_a_mistake(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--unsafe-fixes", "spec.yaml") == 2
    assert "--unsafe-fixes goes with --fix or --diff" in capsys.readouterr().err


def test_a_baseline_is_written_after_the_fixes(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--fix", "--write-baseline", "baseline.txt", "spec.yaml") == 2
    assert "--write-baseline: not together with --fix" in capsys.readouterr().err
    assert spec.read_text(encoding="utf-8") == SPEC


@pytest.mark.parametrize(
    ("options", "expected"), [([], SAFE), (["--unsafe-fixes"], ALL), (["--fix", "--unsafe-fixes"], ALL)]
)
def test_diff_is_a_patch(
    spec: Path, capfdbinary: pytest.CaptureFixture[bytes], options: list[str], expected: str
) -> None:
    spec.write_bytes(SPEC.replace("\n", "\r\n").encode().rstrip())
    before = spec.read_bytes()
    assert run("--diff", *options, "spec.yaml") == 1
    assert spec.read_bytes() == before
    out, err = capfdbinary.readouterr()
    assert err.startswith(b"calico-lint: would fix ")
    done = subprocess.run(["git", "apply", "-p0", "-"], input=out, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert spec.read_bytes() == expected.replace("\n", "\r\n").encode().rstrip()
    assert run("--diff", *options, "spec.yaml") == 0
    assert capfdbinary.readouterr() == (b"", b"")


def test_diff_tells_only_whether_there_is_something_to_fix(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(SPEC.replace("nft", "something").replace("typhaReplica: 3", "x: 1"), encoding="utf-8")
    assert run("--diff", "spec.yaml") == 0
    assert capsys.readouterr().out == ""
    spec.write_text(SPEC, encoding="utf-8")
    assert run("--diff", "--exit-zero", "spec.yaml") == 0
    (spec.parent / "empty").mkdir()
    assert run("--diff", "empty") == 3
    assert run("--diff", "missing.yaml") == 2


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        (["--ignore", "KC104"], SPEC, SPEC),
        (["--select", "U"], SPEC, SPEC),
        ([], SPEC.replace("nft", "nft  # calico-lint: ignore[KC104] meant"), None),
    ],
)
def test_only_what_is_reported_is_fixed(spec: Path, options: list[str], text: str, expected: str | None) -> None:
    spec.write_text(text, encoding="utf-8")
    main(["--kops-version", "1.30.4", "--fix", *options, "spec.yaml"])
    assert spec.read_text(encoding="utf-8") == (expected or text)


@pytest.mark.parametrize("mark", [b"", MARK])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_bytes_outside_of_the_fix_stay(spec: Path, mark: bytes, newline: str) -> None:
    spec.write_bytes(mark + SPEC.replace("\n", newline).encode())
    run("--fix", "--unsafe-fixes", "spec.yaml")
    assert spec.read_bytes() == mark + ALL.replace("\n", newline).encode()


def test_a_cached_report_is_not_taken_for_the_fixed_file(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("spec.yaml") == 1
    assert run("spec.yaml") == 1
    assert run("--diff", "spec.yaml") == 1
    assert run("--fix", "--unsafe-fixes", "spec.yaml") == 0
    assert run("spec.yaml") == 0
    spec.write_text(SPEC, encoding="utf-8")
    assert run("--fix", "--unsafe-fixes", "spec.yaml") == 0
    assert spec.read_text(encoding="utf-8") == ALL


def test_the_old_spec_is_only_read(spec: Path) -> None:
    (spec.parent / "old.yaml").write_text(SPEC, encoding="utf-8")
    run("--fix", "--from", "old.yaml", "spec.yaml")
    assert (spec.parent / "old.yaml").read_text(encoding="utf-8") == SPEC
    assert spec.read_text(encoding="utf-8") == SAFE


def test_a_clean_file_loads_no_fixer(spec: Path) -> None:
    spec.write_text(SPEC[: SPEC.index(":   # 🐙")] + ": {}\n", encoding="utf-8")
    code = (
        "import sys; from calico_lint.cli import main; main(sys.argv[1:]); "
        "sys.exit(any(name in sys.modules for name in ('calico_lint.fix', 'calico_lint.fixing')))"
    )
    arguments = ["--no-cache", "--kops-version", "1.30.4", "--select", "U,KC", "spec.yaml"]
    assert subprocess.run([sys.executable, "-c", code, *arguments], check=False).returncode == 0


# --- standard input -------------------------------------------------------------------------------------


class _Input:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.mark.parametrize(
    ("data", "expected", "code"),
    [
        (SPEC.encode(), ALL.encode(), 0),
        (MARK + SPEC.replace("\n", "\r\n").encode(), MARK + ALL.replace("\n", "\r\n").encode(), 0),
        (ALL.encode(), ALL.encode(), 0),
        (b"kind: \xff\xfe\n", b"kind: \xff\xfe\n", 1),  # what cannot be read passes through
        (SPEC.encode("utf-16"), SPEC.encode("utf-16"), 1),
        (b"a: \x00\n", b"a: \x00\n", 1),
        (b"\ta: 1\n", b"\ta: 1\n", 1),
        (b"", b"", 1),
    ],
)  # fmt: skip
def test_standard_input_is_filtered(
    data: bytes, expected: bytes, code: int, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", _Input(data))
    assert run("--fix", "--unsafe-fixes", "-") == code
    out, err = capfdbinary.readouterr()
    assert out == expected
    assert b" checked)" in err


def test_diff_of_standard_input(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    monkeypatch.setattr(sys, "stdin", _Input(SPEC.encode()))
    assert run("--diff", "--stdin-filename", "spec.yaml", "-") == 1
    out, _ = capfdbinary.readouterr()
    assert out.startswith(b"--- spec.yaml\n+++ spec.yaml\n@@ -14,5 +14,5 @@\n")


def test_half_of_standard_input_is_never_printed(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", _Input(SPEC.encode() + b"#" * 10_000_000))
    assert run("--fix", "-") == 2
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert b"too big to be read" in err


# --- what can go wrong ----------------------------------------------------------------------------------


def refused(spec: Path, capsys: pytest.CaptureFixture[str], why: str, text: str = SPEC) -> None:
    """--fix leaves the file, says why, reports its findings, and leaves nothing else behind."""
    before = names(spec.parent)
    assert run("--fix", "spec.yaml") == 2
    out, err = capsys.readouterr()
    assert f"calico-lint: spec.yaml: not fixed: {why}" in err
    assert "KC104" in out
    assert spec.read_text(encoding="utf-8") == text
    assert names(spec.parent) == before


@posix_only
def test_mode_and_owner_stay(spec: Path) -> None:
    spec.chmod(0o640)
    if os.getuid() == 0:
        os.chown(spec, 12345, 23456)
    before = spec.stat()
    run("--fix", "spec.yaml")
    after = spec.stat()
    assert spec.read_text(encoding="utf-8") == SAFE
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert names(spec.parent) == ["spec.yaml"]


@posix_only
def test_a_link_stays_and_its_target_is_fixed(spec: Path) -> None:
    (spec.parent / "folder").mkdir()
    target = spec.rename(spec.parent / "folder" / "target.yaml")
    spec.symlink_to("folder/target.yaml")
    assert run("--fix", "--unsafe-fixes", "spec.yaml") == 0
    assert spec.is_symlink()
    assert not target.is_symlink()
    assert target.read_text(encoding="utf-8") == ALL


@posix_only
def test_a_link_to_itself(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (spec.parent / "loop.yaml").symlink_to("loop.yaml")
    assert run("--fix", "--unsafe-fixes", "loop.yaml", "spec.yaml") == 2
    assert "loop.yaml: Too many levels of symbolic links" in capsys.readouterr().err
    assert spec.read_text(encoding="utf-8") == ALL


@posix_only
def test_a_read_only_file(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.chmod(0o444)
    refused(spec, capsys, "it is read-only" if os.getuid() == 0 else "Permission denied")


@posix_only
def test_a_file_of_two_names(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.link(spec, spec.parent / "other.yaml")
    refused(spec, capsys, "it has 2 hard links")


@posix_only
@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root writes into any folder")
def test_a_folder_that_takes_no_new_file(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.parent.chmod(0o555)
    try:
        refused(spec, capsys, "Permission denied")
    finally:
        spec.parent.chmod(0o755)


@posix_only
def test_a_pipe_is_read_and_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.yaml")
    writer = subprocess.Popen([sys.executable, "-c", "open('pipe.yaml', 'w').write('')"])
    with pytest.raises(RewriteError, match="no regular file"):
        rewrite.rewrite("pipe.yaml", b"", b"x")
    with open("pipe.yaml", "rb"):
        pass
    assert writer.wait(10) == 0


def test_a_full_disk(spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refused(spec, capsys, "No space left on device")


LIMITED = """\
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from calico_lint.cli import main
sys.exit(main(sys.argv[1:]))
"""


@posix_only
def test_a_disk_that_really_takes_no_more(spec: Path) -> None:
    """The kernel itself refuses to write beyond the limit."""
    arguments = ["--no-cache", "--kops-version", "1.30.4", "--fix", "spec.yaml"]
    code = LIMITED.format(limit=100)
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "spec.yaml: not fixed: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert spec.read_text(encoding="utf-8") == SPEC
    assert names(spec.parent) == ["spec.yaml"]


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_ctrl_c_while_writing(spec: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, where, interrupted)
    assert run("--fix", "spec.yaml") == 130
    assert spec.read_text(encoding="utf-8") == SPEC
    assert names(spec.parent) == ["spec.yaml"]


def test_ctrl_c_between_two_files_keeps_what_is_done(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (spec.parent / "b.yaml").write_text(SPEC.replace("example.net", "b.net"), encoding="utf-8")
    replace = os.replace

    def once(source: str, target: str) -> None:
        if target.endswith("b.yaml"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", once)
    assert run("--fix", "spec.yaml", "b.yaml") == 130
    assert spec.read_text(encoding="utf-8") == SAFE
    assert (spec.parent / "b.yaml").read_text(encoding="utf-8") == SPEC.replace("example.net", "b.net")
    assert names(spec.parent) == ["b.yaml", "spec.yaml"]


@posix_only
def test_a_real_ctrl_c(spec: Path) -> None:
    """SIGINT at some moment of a run: the file is the old or the new one, and nothing else is left behind."""
    for delay in (0.05, 0.1, 0.15, 0.2, 0.3):
        spec.write_text(SPEC, encoding="utf-8")
        arguments = ["--no-cache", "--kops-version", "1.30.4", "--fix", "spec.yaml"]
        process = subprocess.Popen(
            [sys.executable, "-m", "calico_lint", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        process.wait(20)
        assert spec.read_text(encoding="utf-8") in (SPEC, SAFE)
        assert names(spec.parent) == ["spec.yaml"]


def test_a_file_that_changed_since_it_was_read(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = SPEC + "# somebody else was here\n"

    def meanwhile(path: str, old: bytes, new: bytes) -> None:
        spec.write_text(other, encoding="utf-8")
        original(path, old, new)

    original: Callable[[str, bytes, bytes], None] = rewrite.rewrite
    monkeypatch.setattr(rewrite, "rewrite", meanwhile)
    refused(spec, capsys, "it was changed since it was read; run again", other)


@posix_only
def test_a_file_that_was_replaced_since_it_was_read(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An editor puts a new file in the place of the one that was opened; even the same text is no proof."""
    fstat = os.fstat

    def meanwhile(descriptor: int) -> os.stat_result:
        new = spec.parent / "new"
        new.write_text(SPEC, encoding="utf-8")
        os.rename(new, spec)
        return fstat(descriptor)

    monkeypatch.setattr(rewrite, "os", _Os(meanwhile))
    refused(spec, capsys, "it was changed since it was read; run again")


class _Os:
    """The module os with another fstat, for one module only."""

    def __init__(self, fstat: Callable[[int], os.stat_result]) -> None:
        self.fstat = fstat

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


@posix_only
def test_a_file_that_another_process_is_fixing(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import fcntl

    with spec.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        refused(spec, capsys, "another process is writing it; run again")
    assert run("--fix", "spec.yaml") == 1
    assert spec.read_text(encoding="utf-8") == SAFE


def test_many_processes_at_once(spec: Path) -> None:
    """One wins; the others do the same, nothing, or say that they came too late. The text is never torn."""
    arguments = ["--no-cache", "--kops-version", "1.30.4", "--fix", "--unsafe-fixes", "--select", "U,KC", "spec.yaml"]
    command = [sys.executable, "-m", "calico_lint", *arguments]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(5)]
    codes = []
    for process in processes:
        _, err = process.communicate(timeout=60)
        codes.append(process.returncode)
        assert "Traceback" not in err
        if process.returncode == 2:
            assert "run again" in err
    assert set(codes) <= {0, 2}
    assert 0 in codes
    assert spec.read_text(encoding="utf-8") == ALL
    assert names(spec.parent) == ["spec.yaml"]


def test_a_file_system_without_locks(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    assert run("--fix", "--unsafe-fixes", "spec.yaml") == 0
    assert spec.read_text(encoding="utf-8") == ALL


@pytest.mark.parametrize(
    "data",
    [
        SPEC.encode("utf-16"),
        SPEC.encode() + b"\x00\n",
        SPEC.replace("      iptables", "\t  iptables").encode(),
        b"\xff" + SPEC.encode(),
        SPEC.replace("nft", "{{ .backend }}").encode(),
        SPEC.encode() + b"# " + b"x" * 10_000_000,
    ],
    ids=["utf-16", "nul", "tab", "latin-1", "template", "10 MB"],
)
def test_what_cannot_be_read_is_not_touched(spec: Path, data: bytes) -> None:
    spec.write_bytes(data)
    assert run("--fix", "--unsafe-fixes", "spec.yaml") == 1
    assert spec.read_bytes() == data


def test_help_says_what_diff_exits_with(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "exit 1 if it would change something, else 0" in text


def test_rules_say_whether_they_have_a_fix(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--explain", "KC104"]) == 0
    assert "Automatic: `--fix`" in capsys.readouterr().out
    assert main(["--explain", "KI601"]) == 0
    assert "Automatic: `--fix --unsafe-fixes`" in capsys.readouterr().out
    assert main(["--explain", "KC103"]) == 0
    assert "Automatic" not in capsys.readouterr().out
    assert main(["--list-rules"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "  safe fix  " in lines["KC104"]
    assert "  unsafe fix  " in lines["KI601"]
    assert " fix  " not in lines["KC103"]
