"""`--watch`: every change is linted, whatever was wrong in between, until Ctrl-C."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from calico_lint import watch as watch_module
from calico_lint.cli import main
from tests.helpers import ROOT, spec_text

BAD = spec_text("kubernetesVersion: latest", "1.30")
GOOD = spec_text(None, "1.30")
WAIT = 30  # seconds; a loaded machine may take some


class Watch:
    """A running `calico-lint --watch specs`."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "KOPS_VERSION": "1.30.4"}
        code = (
            "import calico_lint.watch as w, sys; w.INTERVAL = 0.05; from calico_lint.cli import main; sys.exit(main())"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "--watch", "specs", "--select", "KV,Y", "--format", "github"],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.lines.put(line)

    def round(self) -> str:
        """What was printed until the next look at the files."""
        text = ""
        while "Ctrl-C ends it" not in text:
            text += self.lines.get(timeout=WAIT)
        return text


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[tuple[Path, Watch]]:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "a.yaml").write_text(GOOD)
    watch = Watch(tmp_path)
    try:
        yield tmp_path, watch
    finally:
        watch.process.kill()
        watch.process.wait()


def test_every_change_is_linted_until_ctrl_c(watching: tuple[Path, Watch]) -> None:
    here, watch = watching
    assert "::error" not in watch.round()
    (here / "specs" / "a.yaml").write_text(BAD)
    assert "::error file=specs/a.yaml" in watch.round()
    (here / "specs" / "a.yaml").unlink()
    assert "::error" not in watch.round()
    (here / "specs" / "b.yaml").write_text(BAD)
    assert "::error file=specs/b.yaml" in watch.round()
    (here / ".calico-lint.toml").write_text("ignored = 1")
    assert "ignored: there is no such setting" in watch.round()
    (here / ".calico-lint.toml").write_text('ignore = ["KV301"]')
    text = watch.round()
    assert "::error" not in text
    assert "\x1b" not in text  # no terminal: nothing to clear
    watch.process.send_signal(signal.SIGINT)
    assert watch.process.wait(WAIT) == 130
    assert watch.lines.empty()


def test_a_terminal_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch_module.time, "sleep", interrupt)
    assert main(["--watch", "a.yaml", "--color", "never"]) == 130
    assert capsys.readouterr().out.startswith("\x1b[2J")


def test_standard_input_cannot_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--watch", "-"]) == 2
    assert "standard input cannot be watched" in capsys.readouterr().err
