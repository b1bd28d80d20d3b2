"""`--watch`: lint again whenever a file changes. Files are asked for their size and time; nothing needs installing."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time

from calico_lint.files import searched
from calico_lint.options import UsageError
from calico_lint.settings import exclusion, find, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    Seen: TypeAlias = dict[str, tuple[int, int, int] | None]

INTERVAL = 0.5  # seconds between two looks
_CLEAR = "\x1b[2J\x1b[3J\x1b[H"


def watch(options: argparse.Namespace, lint_once: Callable[[argparse.Namespace], int]) -> int:
    """Run and run again until interrupted (KeyboardInterrupt). `options` are not settled: settings may change too.

    Raises UsageError where there is nothing to watch.
    """
    if "-" in options.paths:
        raise UsageError("--watch: standard input cannot be watched: name files or folders")
    gc.enable()  # unlike a single run, this one may last for days
    while True:
        current = argparse.Namespace(**vars(options))
        if sys.stdout.isatty():
            sys.stdout.write(_CLEAR)
        try:
            settle(current)
            # Before the run: a change while it goes on is seen, too.
            seen = _look(current)
            lint_once(current)
        except UsageError as error:
            print(f"calico-lint: {error}", file=sys.stderr)
            seen = _look(current)
        print(f"calico-lint: watching {len(seen)} paths; Ctrl-C ends it", file=sys.stderr, flush=True)
        sys.stdout.flush()
        while _look(current) == seen:
            time.sleep(INTERVAL)


def _look(options: argparse.Namespace) -> Seen:
    """Everything that a run reads, with size, time and inode; None for what is not there."""
    seen: Seen = {}
    for path in _paths(options):
        try:
            status = os.stat(path)
        except OSError:
            seen[path] = None
        else:
            seen[path] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return seen


def _paths(options: argparse.Namespace) -> Iterator[str]:
    try:
        settings = options.config or (None if options.isolated else find(options.paths, options.stdin_filename))
    except UsageError:
        settings = None
    for path in (settings, options.baseline, options.schema):
        if path is not None:
            yield path
    settled = hasattr(options, "origins")
    for path in (*options.paths, options.old):
        if path is None:
            continue
        if not os.path.isdir(path):
            yield path
        else:
            exclude = exclusion(options) if settled else None
            yield from searched(path, exclude=exclude, gitignore=options.respect_gitignore is not False)
