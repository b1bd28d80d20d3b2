"""Which settings hold: the command line's, else the environment's, else the settings file's, else the defaults.

This module is part of every start: it looks for the file and fills in. What reads the file is `settings_file`.
"""

from __future__ import annotations

import os

from calico_lint.files import MAX_BYTES
from calico_lint.options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from calico_lint.patterns import Patterns

OWN_FILE, PROJECT_FILE = ".calico-lint.toml", "pyproject.toml"
COMMAND_LINE, DEFAULT = "command line", "default"

# Every setting as an attribute of the options, with its default; `kops_version` None is inferred from each spec,
# `jobs` 0 is chosen by the number of files.
DEFAULTS: dict[str, Any] = {
    "select": [],
    "extend_select": [],
    "ignore": [],
    "per_file_ignores": {},
    "severity": {},
    "fail_on": "error",
    "kops_version": None,
    "per_file_kops_version": {},
    "exclude": [],
    "respect_gitignore": True,
    "max_bytes": MAX_BYTES,
    "baseline": None,
    "inline_ignores": True,
    "require_reason": False,
    "schema": None,
    "cache": True,
    "jobs": 0,
    "required_version": None,
}


def settle(options: argparse.Namespace) -> None:
    """Give every setting that the command line left open (None) its value.

    `options.origins` then says where each comes from, `options.settings_folder` what the patterns of the settings
    file are relative to. Raises UsageError where the file cannot be read or says what cannot be meant.
    """
    path = None
    if options.config is not None:
        path = options.config
    elif not options.isolated:
        path = find(options.paths, options.stdin_filename)
    written: dict[str, Any] = {}
    options.settings_folder = os.getcwd()
    if path is not None:
        from calico_lint.settings_file import read

        written = read(path)
        options.settings_folder = os.path.dirname(os.path.abspath(path))
    origins = options.origins = {}
    for name, default in DEFAULTS.items():
        given = getattr(options, name, None)
        environment = os.environ.get("KOPS_VERSION") if name == "kops_version" else None
        if given is not None:
            value, origins[name] = given, COMMAND_LINE
        elif environment:
            value, origins[name] = environment, "$KOPS_VERSION"
        elif name in written:
            value, origins[name] = written[name], path
        else:
            value, origins[name] = default, DEFAULT
        setattr(options, name, value)
    if options.per_file_kops_version and origins["kops_version"] in (COMMAND_LINE, "$KOPS_VERSION"):
        options.per_file_kops_version = {}  # one release for all was asked for
    for name in ("select", "extend_select", "ignore"):
        values = getattr(options, name)
        setattr(options, name, [part.strip() for value in values for part in value.split(",") if part.strip()])


def place(options: argparse.Namespace, name: str) -> str:
    """How a message calls a setting: `--select`, or `pyproject.toml: select`."""
    dashed = name.replace("_", "-")
    origin: str = options.origins[name]
    if origin.startswith("$"):
        return origin
    return f"--{dashed}" if origin in (COMMAND_LINE, DEFAULT) else f"{origin}: {dashed}"


def exclusion(options: argparse.Namespace) -> Patterns | None:
    """What `exclude` names: relative to the working folder, or to that of the settings file."""
    if not options.exclude:
        return None
    from calico_lint.patterns import Patterns

    given = options.origins["exclude"] == COMMAND_LINE
    return Patterns(options.exclude, os.getcwd() if given else options.settings_folder, place(options, "exclude"))


def find(paths: list[str], stdin_name: str) -> str | None:
    """The settings file: the nearest at or above the folder of the first path, up to the top of the repository.

    Outside of a repository the search ends at the home folder or the root.
    """
    first = paths[0] if paths else "."
    if first == "-":
        first = "." if stdin_name.startswith("<") else stdin_name
    folder = os.path.abspath(first)
    if not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    home = os.path.expanduser("~")
    while True:
        for name in (OWN_FILE, PROJECT_FILE):
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as stream:
                    if name == OWN_FILE or _speaks_of_us(stream.read()):
                        return _shown(path)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            except OSError as error:
                raise UsageError(f"{_shown(path)}: {error.strerror or error}") from error
        above = os.path.dirname(folder)
        if above == folder or folder == home or os.path.exists(os.path.join(folder, ".git")):
            return None
        folder = above


def _speaks_of_us(data: bytes) -> bool:
    """Whether a pyproject.toml may hold [tool.calico-lint]; a TOML parser would cost as much as a small lint."""
    if b"calico-lint" not in data:
        return False
    # Without blanks, quotes and brackets every way to open the table begins like this; a pattern would load `re`.
    lines = data.translate(None, b" \t\r\"'[").split(b"\n")
    if not any(line.startswith((b"tool.calico-lint", b"tool]", b"tool=")) for line in lines):
        return False
    from calico_lint.settings_file import has_table

    return has_table(data)


def _shown(path: str) -> str:
    """The path as messages name it: relative where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) else path
