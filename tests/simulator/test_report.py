from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from calico_lint.kops.releases import parse_release
from calico_lint.yaml_source import Source
from simulator.cli import main
from simulator.planning import Budget, Options, Plan, make_plan
from simulator.report import json as json_report
from simulator.report import text
from tests.helpers import ROOT

SPECS = ROOT / "fixtures" / "specs"
DOC = ROOT / "docs" / "plan.md"


def made(spec: str, kops: str | None = "1.12", runs: int = 4, budgets: tuple[Budget, ...] = ()) -> tuple[Plan, Source]:
    source = Source(f"{spec}.yaml", (SPECS / f"{spec}.yaml").read_bytes())
    options = Options(replications=runs, budgets=budgets)
    return make_plan(source, releases=parse_release(kops) if kops else None, options=options), source


def rendered(plan: Plan, source: Source, file: io.StringIO | None = None) -> str:
    out = file or io.StringIO()
    text.write(plan, {source.path: source}, "calico-sim plan x.yaml", out)
    return out.getvalue()


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("spec", ["calico-v2-to-v3", "calico-v2-etcd-2"])
def test_the_verdict_comes_first(spec: str) -> None:
    plan, source = made(spec)
    first = rendered(plan, source).splitlines()[0]
    assert first.split("  ")[0].strip() in ("GO", "BLOCKED")
    assert "prod.example.com: Calico 2.6.12 → 3.7.4, 12 nodes, Kubernetes 1.10.13, kOps 1.12.3" in first


def test_a_migration_says_what_stands_still() -> None:
    out = rendered(*made("calico-v2-to-v3", runs=368))
    words = " ".join(out.split())
    assert re.search(r"No new pod starts for \d+ min( \d+ s)? \(P90 ", words)
    assert re.search(r"No policy change takes effect for \d+ min( \d+ s)? \(P90 ", words)
    assert "counted by kOps' page" in words
    assert "a policy change takes effect only at the very end" in words
    assert "Where the block goes: image pulls" in words
    assert "pull the new images on every node before" in out
    assert "seed 0, 368 replications, timing profile 'default'" in words
    assert "Again: calico-sim plan x.yaml" in words
    # Both bands, one below the other.
    bands = [line.split()[-3:] for line in out.splitlines() if "exactly right" in line or "no new pod starts " in line]
    assert len(bands) == 2
    assert re.search(r"The median run +\d+ of 368, to \d+ min", out)
    assert re.search(r"The P99 run +\d+ of 368, to \d+ min", out)
    assert re.search(r"pull the new images .* \d+ min \d+ s +\d+ min \d+ s shorter +\d+ min.* to \d+ min", out)
    assert "pairs of 256 runs with the same draws" in words
    assert "–" not in "".join(re.findall(r"^no new pod starts.*$", out, re.MULTILINE))


def test_few_runs_have_no_p99() -> None:
    out = rendered(*made("calico-v2-to-v3", runs=10))
    assert re.search(r"^no new pod starts .* –$", out, re.MULTILINE)


def test_what_never_completes_says_how_to_end_it() -> None:
    out = rendered(*made("calico-v2-to-v3", "1.16"))
    lines = out.splitlines()
    assert lines[0].startswith(" NEVER COMPLETES ")
    assert "  $ calico-upgrade complete --no-prompts" in lines[:9]
    assert re.search(r"^no new pod starts .* never +never", out, re.MULTILINE)
    assert re.search(r" never +never  complete the upgrade", out)


def test_a_block_shows_the_findings() -> None:
    out = rendered(*made("calico-v2-etcd-2"))
    assert "Calico v3 needs etcd 3.x; the spec's etcd 2.2.1 is written." in out
    assert "error[KC102]" in out
    assert "How long" not in out


def test_budgets_are_answered_first() -> None:
    plan, source = made("calico-v2-to-v3", budgets=(Budget("scheduling_block", 30.0),))
    out = rendered(plan, source).splitlines()
    assert out[0].startswith(" OVER BUDGET ")
    assert out[1].startswith("Over budget: P(scheduling_block > 30 s) is 100.0% (39.8% to 100.0%), accepted is 5.0%.")


def test_a_roll_says_that_pods_start() -> None:
    out = rendered(*made("calico-v3-rolling", "1.30"))
    assert "New pods start all the time" in out
    assert "no new pod starts" not in out
    assert "policy_freeze" not in out
    assert "with every group at its maxSize" in out


def test_pipes_get_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    for spec, kops in (("calico-v2-to-v3", "1.12"), ("calico-v3-rolling", "1.30"), ("calico-v2-etcd-2", "1.12")):
        out = rendered(*made(spec, kops))
        assert "\x1b" not in out
        assert not re.search(r"[ \t]$", out, re.MULTILINE)
        assert out.endswith("\n")
        prose = [line for line in out.splitlines() if "$ " not in line]
        # The linter's own excerpts are as long as they are.
        assert spec == "calico-v2-etcd-2" or max(map(len, prose)) <= text.PIPE_WIDTH


@pytest.mark.parametrize("columns", [40, 60, 80, 140])
def test_any_width(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = rendered(*made("calico-v2-to-v3"))
    prose = [line for line in out.splitlines() if "$ " not in line and not line.startswith("Again: ")]
    assert max(map(len, prose)) <= columns
    # Every word of the steps is there, and no quantile is cut.
    assert columns < 60 or "…" not in out
    line = next(line for line in prose if line.startswith("no new pod"))
    assert ("█" in line) == (columns >= 100)
    # The timelines need some room to be to scale.
    assert ("The median run" in out) == (columns >= 56)


def test_a_precision_and_an_engine_are_named() -> None:
    source = Source("x.yaml", (SPECS / "calico-v2-to-v3.yaml").read_bytes())

    def words(**options: Any) -> str:
        plan = make_plan(source, releases=parse_release("1.12"), options=Options(nodes=20, **options))
        return " ".join(rendered(plan, source).split())

    precise = words(precision=0.05)
    assert re.search(r"1024 runs give that P90 as .* \(97.50%: 95% for all looks together\)", precise)
    assert "the precision of 0.001 is not reached (more --replications)" in words(precision=0.001, replications=70)
    why = "played event by event, because more nodes are off than may be replaced, with several nodes at once"
    assert why in words(not_ready=3, max_unavailable=2, replications=3)


def test_commands_are_never_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    out = rendered(*made("calico-v2-to-v3"))
    assert "etcd-c.internal.prod.example.com:4001 del /calico/ --prefix\n" in out


def test_a_terminal_gets_colours_unless_it_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;37;42m GO " in rendered(*made("calico-v2-to-v3"), Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9]m", rendered(*made("calico-v2-to-v3"), Terminal()))


def test_what_a_spec_says_is_text() -> None:
    spec = (SPECS / "calico-v2-to-v3.yaml").read_text()
    spec = spec.replace("  name: prod.example.com\n", '  name: "a[/red]b:tada:\\e[31m"\n', 1)
    source = Source("odd[bold].yaml", spec.encode())
    plan = make_plan(source, releases=parse_release("1.12"), options=Options(replications=2))
    assert plan.cluster.name == "a[/red]b:tada:\x1b[31m"
    out = rendered(plan, source)
    assert "a[/red]b:tada:?[31m: " in out
    assert "\x1b" not in out


def test_json_holds_no_infinity() -> None:
    plan, _ = made("calico-v2-to-v3", "1.16")
    out = json_report.render(plan)
    assert out.endswith("}\n")
    data = json.loads(out, parse_constant=lambda constant: pytest.fail(constant))
    assert data["windows"]["scheduling_block"]["p50"] is None
    assert data["windows"]["scheduling_block"]["unfinished"] == 1.0
    assert data["verdict"] == "never-completes"


def test_the_page_shows_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("COLUMNS", raising=False)
    block = re.search(r"```console\n\$ calico-sim (plan fixtures[^\n]*)\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert block is not None
    main(block[1].split())
    assert capsys.readouterr().out == block[2], "docs/plan.md is stale: paste the command's output into it"


def test_the_page_names_every_window_and_a_profile_that_loads(tmp_path: Path) -> None:
    from simulator.observations import WINDOWS
    from simulator.profile import load

    page = DOC.read_text()
    assert all(f"`{name}`" in page for name in WINDOWS)
    example = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert example is not None
    path = tmp_path / "office.toml"
    path.write_text(example[1])
    name, settings = load(path)
    assert name == "office"
    assert set(settings) == {"pull_node", "pull_cni", "pods_per_node"}
