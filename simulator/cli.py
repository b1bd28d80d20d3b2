"""calico-sim: arguments -> command -> exit code. Nothing slow is imported before a command runs."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from calico_lint import __version__

if TYPE_CHECKING:
    from calico_lint.yaml_source import Source
    from simulator.plan import Plan
    from simulator.report.trace import Files

USAGE, INTERRUPTED = 2, 130

# What the extra [sim] brings; the rest of the package works without.
_EXTRA = ("numpy", "simpy", "networkx", "rich")


class UsageError(Exception):
    """Something the user can put right; the message says where and how."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (design: 2 usage, 130 interrupted, else the command's)."""
    # A terminal that cannot show a character gets a question mark, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Sequence[str]], int] = options.command
    try:
        code = command(options, arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("calico-sim: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        return _fail(f"{error.name} is not installed: run  pip install 'calico-lint[sim]'")
    except UsageError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    return code


def _fail(message: str) -> int:
    print(f"calico-sim: {message}", file=sys.stderr)
    return USAGE


# --- plan -----------------------------------------------------------------------------------------------


def _plan(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from calico_lint.kops.releases import ReleaseError, parse_release
    from simulator.plan import Options, PlanError, make_plan, parse_budget, parse_rate, parse_share
    from simulator.profile import ProfileError
    from simulator.scenario import ScenarioError

    try:
        name, settings = _settings(options)
        wishes = Options(
            nodes=options.nodes,
            replications=options.replications,
            seed=options.seed,
            max_unavailable=options.max_unavailable,
            settings=settings,
            profile_name=name,
            budgets=tuple(parse_budget(text) for text in options.budget),
            risk=parse_share(options.risk),
            pod_rate=None if options.pod_rate is None else parse_rate(options.pod_rate),
        )
        releases = parse_release(options.kops_version) if options.kops_version else None
        old_releases = parse_release(options.from_kops_version) if options.from_kops_version else None
    except (ProfileError, ReleaseError, ValueError) as error:
        raise UsageError(str(error)) from None
    files = _trace_files(options)
    if files is not None:
        files.check()
    new = _source(options.spec)
    old = _source(options.old) if options.old is not None else None
    sources = {source.path: source for source in (new, old) if source is not None}
    try:
        with _Progress() as progress:
            plan = make_plan(new, old, releases, old_releases, wishes, progress.update)
    except PlanError as error:
        for finding in error.findings:
            if finding.severity == "error":
                print(repr(finding), file=sys.stderr)
        raise UsageError(str(error)) from None
    except ScenarioError as error:
        raise UsageError(str(error)) from None
    _print_plan(plan, sources, options.format, shlex.join(["calico-sim", *arguments]))
    if files is not None:
        _write_typical_run(plan, files)
    return plan.exit_code


def _print_plan(plan: Plan, sources: dict[str, Source], format: str, command: str) -> None:
    if format == "json":
        from simulator.report import json

        sys.stdout.write(json.render(plan))
    else:
        from simulator.report import text

        text.write(plan, sources, command)


def _write_typical_run(plan: Plan, files: Files) -> None:
    """Write the replication in the middle, and say which that is."""
    from simulator.engine import run
    from simulator.plan import replication
    from simulator.scenario import V2_TO_V3

    if plan.typical is None:
        print(f"calico-sim: the plan is blocked, nothing was simulated: no {', '.join(files.paths)}", file=sys.stderr)
        return
    window = "scheduling block" if plan.upgrade.protocol == V2_TO_V3 else "duration"
    which = f"replication {plan.typical + 1} of {plan.options.replications}, the one whose {window} is the median"
    files.write(run(replication(plan, plan.typical), causes=True), f"{plan.cluster.name}: {which}")
    print(f"calico-sim: wrote {', '.join(files.paths)}: {which}", file=sys.stderr)


def _trace_files(options: argparse.Namespace) -> Files | None:
    """Where --trace, --csv and --events want the events of a run; None if nowhere."""
    wanted = {"chrome": options.trace, "table": options.csv, "events": getattr(options, "events", None)}
    if not any(wanted.values()):
        return None
    from simulator.report.trace import Files

    return Files(**wanted)


def _source(path: str) -> Source:
    from calico_lint.yaml_source import Source

    return Source("<stdin>" if path == "-" else path, _bytes(path))


def _bytes(path: str) -> bytes:
    """A file, or standard input for `-`."""
    if path == "-":
        return sys.stdin.buffer.read()
    with open(path, "rb") as file:
        return file.read()


def _settings(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The profile's name, and the parameters that --profile and --set replace; --set wins."""
    from pathlib import Path

    from simulator.profile import load, parse

    name = "default"
    settings: dict[str, Any] = {}
    if options.profile != "default":
        if not Path(options.profile).exists():
            raise UsageError(f"--profile {options.profile}: no such file, and the only profile by name is 'default'")
        name, settings = load(Path(options.profile))
    for text in options.set:
        parameter, equals, distribution = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: write NAME=DISTRIBUTION, for example pull_node=lognormal(8,0.5)")
        settings[parameter.strip()] = (parse(distribution), "--set")
    return name, settings


class _Progress:
    """A bar on standard error while the runs go on, if that is a terminal; else nothing."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> _Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
        return self

    def update(self, done: int, total: int) -> None:
        """`done` of `total` runs are done."""
        if self._bar is None:
            return
        if self._task is None:
            self._task = self._bar.add_task("simulating", total=total)
        self._bar.update(self._task, completed=done)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


# --- run ------------------------------------------------------------------------------------------------


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from simulator.run_command import run_file
    from simulator.scenario import ScenarioError

    try:
        sys.stdout.write(run_file(options.scenario, _trace_files(options)))
    except ScenarioError as error:
        raise UsageError(f"{options.scenario}: {error}") from None
    return 0


# --- replay ---------------------------------------------------------------------------------------------


def _replay(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from simulator.recording import read_recording
    from simulator.replay import replay
    from simulator.report.replay import render_json, render_text
    from simulator.scenario import ScenarioError

    try:
        answer = replay(*read_recording(options.recording))
    except ScenarioError as error:
        raise UsageError(f"{options.recording}: {error}") from None
    sys.stdout.write(render_json(answer) if options.format == "json" else render_text(answer, options.recording))
    return 0


# --- recover --------------------------------------------------------------------------------------------

_FLAGS = ("v1_ready", "calico_version", "datastore_ready", "v3_keys", "init_log")


def _recover(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from simulator import kubectl
    from simulator.catalogue import Etcd
    from simulator.recover import NoAnswerError, diagnose, read_state
    from simulator.report.recover import render_json, render_text
    from simulator.scenario import ScenarioError

    flags = {name: value for name in _FLAGS if (value := getattr(options, name)) is not None}
    etcd = Etcd(options.cluster, tuple(options.etcd_members.split(",")), options.etcd_tls)
    try:
        answer = diagnose(read_state(kubectl.load(_bytes(options.state)), flags))
    except ScenarioError as error:
        raise UsageError(f"{options.state}: {error}") from None
    except NoAnswerError as error:
        print(f"calico-sim: no answer: {error}", file=sys.stderr)
        return 1
    sys.stdout.write((render_json if options.format == "json" else render_text)(answer, etcd))
    return 0


class _RecoverHelp(argparse.Action):
    """--help with how to read each flag, which other commands need not load."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from simulator.recover import how_to_read

        parser.epilog = how_to_read()
        parser.print_help()
        parser.exit()


def _true_false(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"


def _keys(text: str) -> int | bool:
    return text == "true" if text in ("true", "false") else _whole(0, 2**63)(text)


# --- arguments ------------------------------------------------------------------------------------------


def _whole(minimum: int, maximum: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(f"{value} is not between {minimum} and {maximum:,}")
        return value

    return read


def _max_unavailable(text: str) -> int | str:
    if not text.endswith("%"):
        return _whole(1, 100_000)(text)
    return f"{_whole(1, 100)(text[:-1])}%"


def _add_trace_options(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--trace", metavar="FILE", help=f"write {what} as Chrome trace events, for ui.perfetto.dev")
    parser.add_argument("--csv", metavar="FILE", help=f"write the events of {what}, one a row")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="calico-sim", description="Predict what a Calico upgrade by kOps will do to a cluster, before it runs."
    )
    parser.add_argument("--version", action="version", version=f"calico-sim {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    plan = commands.add_parser(
        "plan",
        help="predict the upgrade that a cluster spec would start",
        description="Predict the upgrade that applying CLUSTER.yaml would start: how long no new pod starts, how long "
        "no policy change takes effect, what can go wrong.",
        epilog="Exit: 0 go; 1 requirements not met; 2 usage, unreadable, nothing to simulate; 3 over budget; 4 never "
        "completes; 5 undecided.",
    )
    plan.set_defaults(command=_plan)
    plan.add_argument("spec", metavar="CLUSTER.yaml", help="the spec that kOps will apply, InstanceGroups included")
    plan.add_argument("--from", dest="old", metavar="OLD.yaml", help="the spec as it is today")
    plan.add_argument("--kops-version", metavar="X.Y.Z", help="the kOps that will apply it (default: inferred)")
    plan.add_argument("--from-kops-version", metavar="X.Y.Z", help="the kOps that last applied the old spec")
    plan.add_argument(
        "--nodes", type=_whole(1, 100_000), metavar="N", help="nodes, control plane included (default: minSize)"
    )
    plan.add_argument(
        "--max-unavailable", type=_max_unavailable, default=1, metavar="N|N%%", help="of the DaemonSet (default: 1)"
    )
    plan.add_argument(
        "--replications", type=_whole(1, 1_000_000), default=400, metavar="N", help="runs (default: 400; P99 needs 368)"
    )
    plan.add_argument("--seed", type=_whole(0, 2**63), default=0, metavar="N", help="of the random draws (default: 0)")
    plan.add_argument("--profile", default="default", metavar="FILE", help="timing profile, TOML or JSON")
    plan.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=DISTRIBUTION",
        help="replace a timing, e.g. pull_node=lognormal(8,0.5); repeatable",
    )
    plan.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="WINDOW=DURATION",
        help="e.g. scheduling_block=10m: exit 3 when it is exceeded too often; repeatable",
    )
    plan.add_argument("--pod-rate", metavar="N/min", help="new pods: say how many of them have to wait, and how long")
    plan.add_argument("--risk", default="5%", metavar="P", help="accepted chance to exceed a budget (default: 5%%)")
    plan.add_argument("--format", choices=("text", "json"), default="text")
    _add_trace_options(plan, "the replication with the median block")

    run = commands.add_parser(
        "run",
        help="run one scenario and print its result as JSON",
        description="Run one deterministic scenario and print its result as JSON.",
    )
    run.set_defaults(command=_run)
    run.add_argument("scenario", metavar="SCENARIO.json", help="a scenario, JSON or TOML")
    _add_trace_options(run, "the run")
    run.add_argument("--events", metavar="FILE", help="write the run as JSON: events, causes, critical paths")

    replay = commands.add_parser(
        "replay",
        help="predict a recorded rollout from its own durations, and show the error",
        description="Predict a recorded rollout from its own durations, and show predicted, observed and error.",
    )
    replay.set_defaults(command=_replay)
    replay.add_argument("recording", metavar="TRACE.json", help="a recorded rollout (- for standard input)")
    replay.add_argument("--format", choices=("text", "json"), default="text")

    recover = commands.add_parser(
        "recover",
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        help="what to do from here: the recovery for an observed state",
        description="What is wrong with a migration, and the way out: each step with its command, what to check after "
        "it\nand what not to do. STATE is what this prints:\n\n"
        "  kubectl -n kube-system get pods,jobs,daemonsets,nodes -o json\n\n"
        "or a part of it, or an object with the flags below and `pods`. Exit: 0 an answer; 1 none; 2 unreadable.",
    )
    recover.set_defaults(command=_recover)
    recover.add_argument("state", metavar="STATE", help="a JSON file (- for standard input)")
    recover.add_argument("-h", "--help", action=_RecoverHelp, nargs=0, help="show this, and how to read the flags")
    recover.add_argument("--v1-ready", type=_true_false, metavar="true|false")
    recover.add_argument("--calico-version", metavar="VERSION", help="CalicoVersion, '' for none")
    recover.add_argument("--datastore-ready", type=_true_false, metavar="true|false")
    recover.add_argument("--v3-keys", type=_keys, metavar="N|true|false", help="keys in the v3 store")
    recover.add_argument("--init-log", metavar="WORD|LOG", help="what the log of calico-node's init container says")
    recover.add_argument("--cluster", default="CLUSTER", metavar="NAME", help="its name, for etcd's addresses")
    recover.add_argument("--etcd-members", default="MEMBER", metavar="a,b,c", help="names of the main etcd's members")
    recover.add_argument("--etcd-tls", action="store_true", help="etcd wants TLS (enableEtcdTLS)")
    recover.add_argument("--format", choices=("text", "json"), default="text")
    return parser
