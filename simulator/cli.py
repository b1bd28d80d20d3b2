"""calico-sim: arguments -> command -> exit code. Nothing slow is imported before a command runs."""

from __future__ import annotations

import argparse
import gc
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from calico_lint import __version__
from calico_lint.plain import register

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    from calico_lint.yaml_source import Source
    from simulator.planning import Options, Plan
    from simulator.report.trace import Files
    from simulator.v1_data import V1Data

USAGE, INTERRUPTED = 2, 130

# What the extra [sim] brings; the rest of the package works without.
_EXTRA = ("numpy", "simpy", "networkx", "rich")
_EXTRA_CLUSTER = ("distributed", "dask")  # what [cluster] brings


class UsageError(Exception):
    """Something the user can put right; the message says where and how."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (design: 2 usage, 130 interrupted, else the command's)."""
    # A terminal that cannot show a character gets what is like it, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=register())
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Sequence[str]], int] = options.command
    if getattr(options, "format", "json") == "json" and hasattr(sys.stdout, "reconfigure"):
        # JSON is, whatever the terminal shows.
        sys.stdout.reconfigure(encoding="utf-8", errors=register())
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
        package = (error.name or "").partition(".")[0]
        if package not in (*_EXTRA, *_EXTRA_CLUSTER):
            raise
        extra = "cluster" if package in _EXTRA_CLUSTER else "sim"
        return _fail(f"{package} is not installed: run  pip install 'calico-lint[{extra}]'")
    except UsageError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    return code


def program() -> int:
    """The installed command. Its process is short: looking for garbage costs more than the garbage (`engine.run`)."""
    gc.disable()
    code = main()
    gc.freeze()  # nor does Python look for it when it ends
    return code


def _fail(message: str) -> int:
    print(f"calico-sim: {message}", file=sys.stderr)
    return USAGE


# --- plan -----------------------------------------------------------------------------------------------


def _plan(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from calico_lint.kops.releases import ReleaseError, parse_release
    from simulator.planning import PlanError, make_plan
    from simulator.profile import ProfileError
    from simulator.scenario import ScenarioError

    try:
        wishes = _wishes(options)
        releases = parse_release(options.kops_version) if options.kops_version else None
        old_releases = parse_release(options.from_kops_version) if options.from_kops_version else None
    except (ProfileError, ReleaseError, ValueError) as error:
        raise UsageError(str(error)) from None
    files = _trace_files(options)
    if files is not None:
        files.check()
    if options.html is not None:
        from simulator.report.files import check_writable

        check_writable(options.html)
    outputs = _outputs(options)
    new = _source(options.spec)
    old = _source(options.old) if options.old is not None else None
    state = None if options.state is None else _json(options.state)
    if state is not None and wishes.nodes is None:
        wishes = _with_nodes_of(state, wishes, options.state)
    sources = {source.path: source for source in (new, old) if source is not None}
    if wishes.v1_data is not None:
        sources = {**wishes.v1_data.sources, **sources}
    try:
        with _Progress() as progress:
            plan = make_plan(new, old, releases, old_releases, wishes, progress.update, so_far=progress.so_far)
    except PlanError as error:
        for finding in error.findings:
            if finding.severity == "error":
                print(repr(finding), file=sys.stderr)
        raise UsageError(str(error)) from None
    except ScenarioError as error:
        raise UsageError(str(error)) from None
    if state is not None:
        plan = _under_way(plan, state, options.state)
    command = shlex.join(["calico-sim", *arguments])
    if options.html is not None:  # before the report: who reads that may stop early
        _write_html(plan, sources, options.html, command)
    for path, format in outputs.items():
        from simulator.report import gates
        from simulator.report.files import write_whole

        write_whole(path, gates.render(format, plan, sources, new.path))
    if options.checklist and options.format == "text":
        from simulator.report import checklist

        sys.stdout.write(checklist.render_text(plan))
    elif plan.remaining is not None and options.format == "text":
        from simulator.report import remaining

        sys.stdout.write(remaining.render_text(plan.remaining, plan.cluster.name or "the cluster"))
    else:
        _print_plan(plan, sources, options.format, command)
    if files is not None:
        _write_typical_run(plan, files)
    return plan.exit_code


def _with_nodes_of(state: Any, wishes: Options, path: str) -> Options:
    from dataclasses import replace

    from simulator.remaining import count_nodes
    from simulator.scenario import ScenarioError

    try:
        return replace(wishes, nodes=count_nodes(state) or None)
    except ScenarioError as error:
        raise UsageError(f"{path}: {error}") from None


def _under_way(plan: Plan, state: Any, path: str) -> Plan:
    """The plan with what is left of it."""
    from dataclasses import replace

    from simulator.recover import NoAnswerError
    from simulator.remaining import remaining
    from simulator.scenario import ScenarioError

    try:
        return replace(plan, remaining=remaining(plan, state))
    except (NoAnswerError, ScenarioError) as error:
        raise UsageError(f"{path}: {error}") from None


def _outputs(options: argparse.Namespace) -> dict[str, str]:
    """The files of --output with their formats."""
    outputs: dict[str, str] = {}
    if not options.output:
        return outputs
    from simulator.report.files import check_writable
    from simulator.report.gates import FORMATS

    specs = {os.path.realpath(path) for path in (options.spec, options.old) if path}
    for text in options.output:
        format, _, path = text.partition("=")
        if format not in FORMATS or not path:
            raise UsageError(f"--output: {text!r} is not FORMAT=FILE; FORMAT is one of {', '.join(FORMATS)}")
        if path in outputs:
            raise UsageError(f"--output: {path} is named twice")
        if os.path.realpath(path) in specs:
            raise UsageError(f"--output: {path} is the spec; it would be overwritten")
        check_writable(path)
        outputs[path] = format
    return outputs


def _wishes(options: argparse.Namespace) -> Options:
    """What `plan` and `fleet` both let the user choose. Raises ValueError (of which a ProfileError is one)."""
    from simulator.joining import parse_node_rate
    from simulator.maintenance import parse_window
    from simulator.planning import Options, parse_budget, parse_precision, parse_rate, parse_share
    from simulator.sweep import parse_sweep

    name, settings = _settings(options)
    return Options(
        nodes=options.nodes,
        replications=options.replications,
        seed=options.seed,
        max_unavailable=options.max_unavailable,
        not_ready=options.not_ready,
        settings=settings,
        profile_name=name,
        budgets=tuple(parse_budget(text) for text in options.budget),
        maintenance=tuple(parse_window(text) for text in options.maintenance_window),
        risk=parse_share(options.risk),
        pod_rate=None if options.pod_rate is None else parse_rate(options.pod_rate),
        node_rate=None if options.node_rate is None else parse_node_rate(options.node_rate),
        precision=None if options.precision is None else parse_precision(options.precision),
        workers=options.workers,
        v1_data=_v1_data(getattr(options, "v1_data", None)),
        sweeps=tuple(parse_sweep(text) for text in getattr(options, "sweep", ())),
        sensitivity=getattr(options, "sensitivity", False),
    )


def _v1_data(paths: list[str] | None) -> V1Data | None:
    """The data to migrate. Raises ValueError where it cannot be read."""
    if not paths:
        return None
    from simulator.v1_data import read_v1_data

    return read_v1_data(paths)


def _print_plan(plan: Plan, sources: dict[str, Source], format: str, command: str) -> None:
    if format == "json":
        from simulator.report import json

        sys.stdout.write(json.render(plan))
    else:
        from simulator.report import text

        text.write(plan, sources, command)


def _write_html(plan: Plan, sources: dict[str, Source], path: str, command: str) -> None:
    from hashlib import sha256

    from simulator.report import html
    from simulator.report.files import write_whole

    # A file's own bytes, as sha256sum has them; standard input can be read once only.
    contents = {name: source.text.encode() if name == "<stdin>" else _bytes(name) for name, source in sources.items()}
    digests = {name: sha256(content).hexdigest() for name, content in contents.items()}
    write_whole(path, html.render(plan, command, digests))


def _write_typical_run(plan: Plan, files: Files) -> None:
    """Write the replication in the middle, and say which that is."""
    from simulator.engine import run
    from simulator.planning import replication
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

    def __init__(self, what: str = "simulating") -> None:
        self._what = what
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
            self._task = self._bar.add_task(self._what, total=total)
        self._bar.update(self._task, completed=done, total=total)

    def so_far(self, window: str, _: int, p50: float, p90: float) -> None:
        """What the runs that are done say: a first answer long before the last."""
        if self._task is not None:
            from simulator.planning import duration
            from simulator.report.text import WINDOWS

            self._bar.update(self._task, description=f"{WINDOWS[window]}: {duration(p50)}, P90 {duration(p90)} so far")

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


# --- fleet ----------------------------------------------------------------------------------------------


def _fleet(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from contextlib import nullcontext

    from calico_lint.kops.releases import ReleaseError, parse_release
    from simulator import fleet
    from simulator.report.fleet import write

    gc.enable()  # it may take long
    try:
        wishes = _wishes(options)
        for release in (options.kops_version, options.from_kops_version):
            if release is not None:
                parse_release(release)
        tasks = [
            fleet.Task(str(path), path.read_bytes(), wishes, options.kops_version, options.from_kops_version)
            for path in fleet.find(options.place)
        ]
        output = None if options.output is None else fleet.Output(options.output)
        lines = [] if output is None else output.resume(tasks)
        made = {line["path"] for line in lines}
        missing = [task for task in tasks if task.path not in made]
        at_once: int | None = None
        where: AbstractContextManager[Callable[[], Executor]]
        if options.scheduler is not None:
            where = fleet.dask(options.scheduler)
        else:
            start, at_once = fleet.processes(options.workers)
            where = nullcontext(start)
        with where as start, _Progress("planning") as progress:
            for line in fleet.run(missing, start, at_once, options.retries) if missing else ():
                lines.append(line)
                if output is not None:
                    output.add(line)
                elif options.format == "json":
                    sys.stdout.write(fleet.render(line))
                    sys.stdout.flush()
                progress.update(len(lines), len(tasks))
        if output is not None:
            output.finish(lines)
    except (fleet.FleetError, ReleaseError, ValueError) as error:
        raise UsageError(str(error)) from None
    if options.format == "text":
        write(lines, sys.stdout)
    failed = sum(line["status"] == fleet.FAILED for line in lines)
    kept = f", {len(made)} of them from {output.path}" if output is not None and made else ""
    print(f"calico-sim: {len(lines) - failed} of {len(tasks)} clusters planned{kept}", file=sys.stderr)
    return 1 if failed else 0


# --- compare --------------------------------------------------------------------------------------------


def _compare(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from calico_lint.kops.releases import ReleaseError, parse_release
    from simulator.compare import ComparisonError, compare, of_json, of_plan
    from simulator.planning import PlanError, make_plan
    from simulator.report.compare import render_json, render_text
    from simulator.scenario import ScenarioError

    try:
        wishes = _wishes(options)
        releases, old_releases, olds = (
            _for_each(name, values, len(options.plans))
            for name, values in (
                ("--kops-version", [parse_release(text) for text in options.kops_version]),
                ("--from-kops-version", [parse_release(text) for text in options.from_kops_version]),
                ("--from", [_source(path) for path in options.old]),
            )
        )
    except (ReleaseError, ValueError) as error:
        raise UsageError(str(error)) from None
    sides = []
    with _Progress() as progress:
        for path, release, old_release, old in zip(options.plans, releases, old_releases, olds, strict=True):
            source = _source(path)
            try:
                side = of_json(path, source.text)
                if side is None:
                    side = of_plan(path, make_plan(source, old, release, old_release, wishes, progress.update))
            except (ComparisonError, PlanError, ScenarioError) as error:
                raise UsageError(str(error)) from None
            sides.append(side)
    try:
        found = compare(sides)
    except ComparisonError as error:
        print(f"calico-sim: no answer: {error}", file=sys.stderr)
        return 1
    sys.stdout.write((render_json if options.format == "json" else render_text)(found))
    return 0


def _for_each(name: str, values: list[Any], count: int) -> list[Any]:
    """What an option says for each plan: nothing, the same for all, or one for each in their order."""
    if len(values) not in (0, 1, count):
        raise UsageError(f"{name}: given {len(values)} times for {count} plans; give it once, or once for each")
    return values if len(values) == count else (values or [None]) * count


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


# --- route ----------------------------------------------------------------------------------------------


def _route(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from calico_lint.kops.releases import ReleaseError, parse_release
    from calico_lint.linter import lint_sources
    from simulator.planning import Options
    from simulator.report.route import render_json, render_text
    from simulator.route import RouteError, find_route, parse_goal, stages, start_of

    spec = _source(options.spec)
    try:
        goals = [parse_goal(text) for text in options.to]
        releases = parse_release(options.kops_version) if options.kops_version else None
    except (ReleaseError, RouteError) as error:
        raise UsageError(str(error)) from None
    found = lint_sources(spec, releases=releases).clusters
    if len(found) != 1:
        raise UsageError(f"{spec.path}: a route is for one cluster, this file holds {len(found)}")
    cluster, candidates = found[0]
    try:
        route = find_route(*start_of(cluster, candidates), goals)
    except RouteError as error:
        print(f"calico-sim: no answer: {spec.path}: {error}", file=sys.stderr)
        return 1
    steps = list(stages(route, spec, Options(nodes=options.nodes)))
    render = render_json if options.format == "json" else render_text
    sys.stdout.write(render(route, steps, cluster.name or "NAME", spec.path))
    return 1 if route.refused else 0


# --- calibrate ------------------------------------------------------------------------------------------


def _calibrate(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from simulator.calibrate import CalibrationError, fit_all, profile_toml, read
    from simulator.report.calibrate import render_json, render_text
    from simulator.report.files import write_whole

    try:
        seen = read((path, _bytes(path)) for path in options.records)
    except CalibrationError as error:
        raise UsageError(str(error)) from None
    fits = fit_all(seen)
    if not fits:
        print("calico-sim: no answer: the records hold pods, but no duration of any stage", file=sys.stderr)
        return 1
    if options.output is not None:
        write_whole(options.output, profile_toml(options.name, fits))
    sys.stdout.write((render_json if options.format == "json" else render_text)(seen, fits))
    return 0


# --- watch ----------------------------------------------------------------------------------------------


def _watch(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from pathlib import Path

    from simulator.report.watch import follow
    from simulator.watch import Expectation, Watch, WatchError

    gc.enable()  # it may take long
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # so kubectl writes, also on Windows
    try:
        expected = Expectation()
        if options.plan is not None:
            expected = Expectation.of_plan(_json(options.plan))
        return follow(
            Watch(expected),
            sys.stdin,
            sys.stdout,
            state=None if options.state is None else Path(options.state),
            as_json=options.format == "json",
        )
    except WatchError as error:
        raise UsageError(str(error)) from None


def _json(path: str) -> Any:
    from simulator import kubectl
    from simulator.scenario import ScenarioError

    try:
        return kubectl.load(_bytes(path))
    except ScenarioError as error:
        raise UsageError(f"{path}: {error}") from None


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


def _add_plan_options(parser: argparse.ArgumentParser, workers: str, *, several: bool = False) -> None:
    more: dict[str, Any] = {"action": "append", "default": []} if several else {}
    each = "; once for all, or once for each" if several else ""
    parser.add_argument(
        "--kops-version", metavar="X.Y.Z", help=f"the kOps that will apply it (default: inferred){each}", **more
    )
    parser.add_argument(
        "--from-kops-version", metavar="X.Y.Z", help=f"the kOps that last applied the old spec{each}", **more
    )
    parser.add_argument(
        "--nodes", type=_whole(1, 100_000), metavar="N", help="nodes, control plane included (default: minSize)"
    )
    parser.add_argument(
        "--max-unavailable", type=_max_unavailable, default=1, metavar="N|N%%", help="of the DaemonSet (default: 1)"
    )
    parser.add_argument(
        "--not-ready", type=_whole(0, 1000), default=0, metavar="N", help="nodes of them that are NotReady (default: 0)"
    )
    parser.add_argument(
        "--replications",
        type=_whole(1, 1_000_000),
        metavar="N",
        help="runs (default: 2000; P99 needs 368); with --precision: at most (65536)",
    )
    parser.add_argument(
        "--precision", metavar="P", help="as many runs as it takes until the P90's interval is so narrow, e.g. 2%%"
    )
    parser.add_argument("--workers", type=_whole(1, 1024), metavar="N", help=workers)
    parser.add_argument(
        "--seed", type=_whole(0, 2**63), default=0, metavar="N", help="of the random draws (default: 0)"
    )
    parser.add_argument("--profile", default="default", metavar="FILE", help="timing profile, TOML or JSON")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=DISTRIBUTION",
        help="replace a timing, e.g. pull_node=lognormal(8,0.5); repeatable",
    )
    parser.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="WINDOW=DURATION",
        help="e.g. scheduling_block=10m: exit 3 when it is exceeded too often; repeatable",
    )
    parser.add_argument(
        "--maintenance-window",
        action="append",
        default=[],
        metavar="BEGIN/END ZONE",
        help="e.g. '2026-12-05T02:00/04:00 Europe/Berlin': the upgrade must be over inside, like a budget; repeatable",
    )
    parser.add_argument("--pod-rate", metavar="N/min", help="new pods: say how many of them have to wait, and how long")
    parser.add_argument("--node-rate", metavar="N/h", help="new nodes (an autoscaler's): say what they do meanwhile")
    parser.add_argument(
        "--risk",
        default="5%",
        metavar="P",
        help="accepted chance to exceed a budget or a maintenance window (default: 5%%)",
    )


def _add_trace_options(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--trace", metavar="FILE", help=f"write {what} as Chrome trace events, for ui.perfetto.dev")
    parser.add_argument("--csv", metavar="FILE", help=f"write the events of {what}, one a row")


class _Completion(argparse.Action):
    """Prints and leaves, as `--version` does: no command is needed."""

    def __call__(self, parser: argparse.ArgumentParser, *values: Any, **_: Any) -> None:
        from calico_lint.completion import script

        sys.stdout.write(script(parser, values[1]))
        parser.exit()


class _PrintSchema(argparse.Action):
    """Prints the plan's schema and leaves: no spec is needed."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from calico_lint.schema import schema_path

        with open(schema_path("plan.schema.json"), encoding="utf-8") as file:
            sys.stdout.write(file.read())
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="calico-sim", description="Predict what a Calico upgrade by kOps will do to a cluster, before it runs."
    )
    parser.add_argument("--version", action="version", version=f"calico-sim {__version__}")
    parser.add_argument(
        "--completion",
        action=_Completion,
        choices=("bash", "zsh", "fish"),
        help="print the completion for a shell, and stop",
    )
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
    plan.add_argument(
        "--v1-data",
        action="append",
        metavar="PATH|URL",
        help="Calico v1 data, as calico-lint --v1-data takes it: counted instead of estimated; repeatable",
    )
    _add_plan_options(plan, "threads (default: one a processor); they change no number")
    plan.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="NAME=V1,V2,...",
        help="the plan at several values, e.g. max_unavailable=1,2,5,10%%, nodes=50,100 or any timing; repeatable",
    )
    plan.add_argument(
        "--sensitivity", action="store_true", help="vary each timing, to see which to measure first (takes a while)"
    )
    plan.add_argument("--format", choices=("text", "json"), default="text")
    plan.add_argument("--html", metavar="FILE", help="write the plan as one self-contained page besides")
    plan.add_argument(
        "--output",
        action="append",
        default=[],
        metavar="FORMAT=FILE",
        help="write the plan as junit, sarif or json besides, for a pipeline; repeatable",
    )
    plan.add_argument(
        "--state",
        metavar="STATE.json",
        help="of an upgrade under way, as recover takes it: what is left of it (exit 4: stalled, 5: to be looked at)",
    )
    plan.add_argument(
        "--print-schema", action=_PrintSchema, nargs=0, help="print the JSON Schema of --format json, and stop"
    )
    plan.add_argument("--checklist", action="store_true", help="print what to look at before the upgrade, and how")
    _add_trace_options(plan, "the replication with the median block")

    compare = commands.add_parser(
        "compare",
        help="plans side by side, on the same draws",
        description="Specs and plans (what calico-sim plan --format json printed) side by side: the windows of each, "
        "and what differs from the first. Specs are planned with the same draws and compared run by run.",
        epilog="Exit: 0 a comparison, whatever the verdicts; 1 none: fewer than two of them were simulated; 2 usage.",
    )
    compare.set_defaults(command=_compare)
    compare.add_argument("plans", metavar="CLUSTER.yaml|PLAN.json", nargs="+", help="two or more; the first is today's")
    compare.add_argument(
        "--from",
        dest="old",
        action="append",
        default=[],
        metavar="OLD.yaml",
        help="the spec as it is today; once for all, or once for each",
    )
    _add_plan_options(compare, "threads (default: one a processor); they change no number", several=True)
    compare.add_argument("--format", choices=("text", "json"), default="text")

    fleet = commands.add_parser(
        "fleet",
        help="a plan for each of many clusters, here or on a Dask cluster",
        description="One plan for each spec, with the options of `plan`. Results are JSON lines, kept as they come: "
        "started again with the same --output, it makes only what is missing.",
        epilog="Exit: 0 all planned, whatever their verdicts; 1 some have no plan (each says why); 2 usage.",
    )
    fleet.set_defaults(command=_fleet)
    fleet.add_argument("place", metavar="DIR|GLOB", help="a directory, or a pattern such as 'specs/**/*.yaml'")
    fleet.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, e.g. tcp://10.0.0.1:8786")
    fleet.add_argument("--output", metavar="FILE", help="JSON lines, or FILE.parquet: resumed if it is there")
    fleet.add_argument(
        "--retries",
        type=_whole(0, 100),
        default=2,
        metavar="N",
        help="of a plan whose worker died or that failed for another reason than its spec (default: 2)",
    )
    _add_plan_options(fleet, "processes (default: one a processor); they change no number")
    fleet.add_argument("--format", choices=("text", "json"), default="text", help="of what is printed (default: text)")

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

    route = commands.add_parser(
        "route",
        help="the ordered upgrade steps from a spec to a goal",
        description="The shortest safe way from the cluster as CLUSTER.yaml describes it to a goal: each step with its "
        "reason, its commands and what it does to the cluster.",
        epilog="Exit: 0 a route, or nothing to do; 1 there is none, with the reason; 2 usage or unreadable.",
    )
    route.set_defaults(command=_route)
    route.add_argument("spec", metavar="CLUSTER.yaml", help="the spec as it is today, InstanceGroups included")
    route.add_argument(
        "--to",
        action="append",
        required=True,
        metavar="GOAL",
        help="v3, crd (Calico on the Kubernetes datastore), kops=1.24, kubernetes=1.24, calico=3.23; repeatable: all",
    )
    route.add_argument("--kops-version", metavar="X.Y.Z", help="the kOps that last applied it (default: inferred)")
    route.add_argument(
        "--nodes", type=_whole(1, 100_000), metavar="N", help="nodes, control plane included (default: minSize)"
    )
    route.add_argument("--format", choices=("text", "json"), default="text")

    calibrate = commands.add_parser(
        "calibrate",
        help="a timing profile from what your cluster did",
        description="Fit the timing profile to records of your own cluster: what kubectl -n kube-system get pods -o "
        "json, get events -o json or get pods -w -o json printed, or recorded rollouts.",
        epilog="Exit: 0 a profile; 1 nothing to fit in the records; 2 usage or unreadable.",
    )
    calibrate.set_defaults(command=_calibrate)
    calibrate.add_argument("records", metavar="RECORD", nargs="+", help="JSON files (- for standard input)")
    calibrate.add_argument("--output", metavar="PROFILE", help="write the profile here, for plan --profile")
    calibrate.add_argument("--name", default="calibrated", metavar="NAME", help="of the profile")
    calibrate.add_argument("--format", choices=("text", "json"), default="text")

    watch = commands.add_parser(
        "watch",
        help="follow a live upgrade: progress, time left, alarms",
        description="Follow a live upgrade on standard input: where it stands, when it will be over, what is wrong "
        "and how to recover.\n\n  kubectl -n kube-system get pods -w -o json | calico-sim watch --plan plan.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit: 0 the upgrade is done; 1 the stream ended before; 2 usage; 130 interrupted.",
    )
    watch.set_defaults(command=_watch)
    watch.add_argument("--plan", metavar="PLAN.json", help="what calico-sim plan --format json predicted")
    watch.add_argument("--state", metavar="FILE", help="keep what was seen here, and go on from it")
    watch.add_argument("--format", choices=("text", "json"), default="text", help="json: one object a line")

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
