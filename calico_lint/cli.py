"""calico-lint: arguments -> what is asked for -> exit code. No logic of its own."""

from __future__ import annotations

import gc
import os
import sys

from calico_lint import run as one_run
from calico_lint.options import UsageError, build_parser, parse
from calico_lint.run import FAILURE, INTERRUPTED, OK, given_release, lint_once
from calico_lint.settings import place, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any


def main(argv: Sequence[str] | None = None) -> int:
    """Run calico-lint; returns the exit code. Never a traceback for what the user can cause."""
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        code = run(options)
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(f"calico-lint: {error}", file=sys.stderr)
        return FAILURE
    except BrokenPipeError:
        # The reader went away (`| head`): not our failure. Keep the interpreter from flushing into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:  # of standard output: what cannot be read is told apart where it is read
        print(f"calico-lint: the report could not be written: {error.strerror or error}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("CALICO_LINT_DEBUG"):
            raise
        print(
            f"calico-lint: internal error: {type(error).__name__}: {error}\n"
            "This is a bug of calico-lint. Please report it with the spec, or the part of it that matters; "
            "CALICO_LINT_DEBUG=1 shows where it happened.",
            file=sys.stderr,
        )
        return FAILURE


def program() -> None:
    """The installed command: `main`, and out.

    Without garbage collection, because the run is short and its data has hardly any cycles; and out by
    os._exit, because taking the documents apart, which nobody will read again, costs a tenth of a cold run.
    """
    gc.disable()
    one_run.before_parsing = import_yaml
    os._exit(main())


def import_yaml() -> None:
    """Import PyYAML without compiling the patterns of its own scanner, which libyaml does in its place.

    That is 6 ms of a cold run of 41. The modules of PyYAML meet a stand-in for `re`, whose patterns are compiled when
    they are used. Only the installed command does this: elsewhere another thread may import something meanwhile.
    """
    import re

    class Pattern:
        def __init__(self, *arguments: Any) -> None:
            self.arguments = arguments

        def __getattr__(self, name: str) -> Any:
            return getattr(re.compile(*self.arguments), name)  # which keeps what it has compiled

    stand_in: Any = type(re)("re")
    vars(stand_in).update(vars(re), compile=Pattern)
    sys.modules["re"] = stand_in
    try:
        import yaml  # noqa: F401 - for the modules that it loads
    finally:
        sys.modules["re"] = re


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for; returns the exit code. Raises UsageError."""
    if options.explain:
        return _explain(options.explain)
    if options.list_rules:
        from calico_lint.explain import list_rules

        sys.stdout.write(list_rules())
        return OK
    if options.completion:
        from calico_lint.completion import rule_words, script

        sys.stdout.write(script(build_parser(), options.completion, rule_words()))
        return OK
    if options.watch and options.paths:
        from calico_lint.watch import watch

        return watch(options, lint_once)
    settle(options)
    if options.print_schema:
        return _print_schema(options)
    if options.show_settings:
        from calico_lint.settings_file import show

        sys.stdout.write(show(options, options.format) + "\n")
        return OK
    if options.v1_data:
        from calico_lint.v1data_command import run as lint_v1_data

        return lint_v1_data(options)
    if not options.paths:
        raise UsageError("name a file, a folder or - (standard input); --help shows the options")
    return lint_once(options)


def _explain(name: str) -> int:
    from calico_lint import rules
    from calico_lint.explain import explain

    wanted = name.upper()
    for rule in rules.all_rules():
        if wanted in (rule.id, *rule.aliases) or name == rule.name:
            sys.stdout.write(explain(rule))
            return OK
    raise UsageError(f"there is no rule {name!r}: --list-rules shows them")


def _print_schema(options: argparse.Namespace) -> int:
    if options.print_schema == "settings":
        from calico_lint.settings_file import schema_text

        sys.stdout.write(schema_text())
        return OK
    import json

    from calico_lint.kops.releases import NEWEST_MINOR, newest_of_minor
    from calico_lint.schema import plain_schema

    releases = given_release(options.kops_version, place(options, "kops_version"))
    release = releases.first if releases is not None else newest_of_minor(NEWEST_MINOR)
    kind = {"cluster": "Cluster", "instancegroup": "InstanceGroup"}[options.print_schema]
    json.dump(plain_schema(kind, "v1alpha2", release.minor), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return OK
