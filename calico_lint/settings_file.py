"""The settings file: `.calico-lint.toml`, or `[tool.calico-lint]` in pyproject.toml.

`KEYS` is the one table of what may stand there: it checks the file, and the schema for editors is made from it.
`python -m calico_lint.settings_file` writes that schema (docs/settings.schema.json), `--check` compares.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib

from calico_lint import __version__
from calico_lint.finding import SEVERITIES
from calico_lint.options import UsageError
from calico_lint.settings import DEFAULTS, PROJECT_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

_RULES: dict[str, Any] = {"type": "array", "items": {"type": "string", "minLength": 1}}
_RELEASE: dict[str, Any] = {"type": "string", "pattern": r"^v?[0-9]+\.[0-9]+"}
_PATH: dict[str, Any] = {"type": "string", "minLength": 1}
_SWITCH: dict[str, Any] = {"type": "boolean"}
_SEVERITY: dict[str, Any] = {"enum": [*SEVERITIES]}
_REQUIREMENT = r"(==|!=|>=|<=|>|<)?\s*([0-9]+(?:\.[0-9]+)*)\Z"

# key -> (what it may be, as JSON Schema; what it does)
KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "select": (_RULES, "Only these rules: ids or prefixes."),
    "extend-select": (_RULES, "These rules besides the selected ones."),
    "ignore": (_RULES, "All but these rules: ids or prefixes."),
    "per-file-ignores": (
        {"type": "object", "additionalProperties": _RULES},
        "Rules that are not reported for some files: patterns as in .gitignore, relative to this file.",
    ),
    "severity": (
        {"type": "object", "additionalProperties": _SEVERITY},
        "The severity of rules (ids or prefixes) instead of their own; the longest name that fits decides.",
    ),
    "fail-on": (_SEVERITY, "Exit with 1 at or above this severity."),
    "kops-version": (_RELEASE, "The kOps that will apply the specs."),
    "per-file-kops-version": (
        {"type": "object", "additionalProperties": _RELEASE},
        "The kOps that will apply some files: patterns as in .gitignore; the last that fits decides.",
    ),
    "exclude": (
        _RULES,
        "What a search leaves out: patterns as in .gitignore, relative to this file.",
    ),
    "respect-gitignore": (_SWITCH, "Whether a search leaves out what .gitignore names."),
    "max-bytes": ({"type": "integer", "minimum": 1}, "Files larger than this are not read."),
    "baseline": (_PATH, "The baseline whose findings are not reported, relative to this file."),
    "inline-ignores": (_SWITCH, "Whether `# calico-lint: ignore[...]` comments count."),
    "require-reason": (_SWITCH, "Whether every such comment must give a reason."),
    "schema": (
        _PATH,
        "A JSON Schema of your own for every Cluster and InstanceGroup, relative to this file.",
    ),
    "cache": (_SWITCH, "Whether the same run again is answered from the cache."),
    "jobs": ({"type": "integer", "minimum": 0}, "How many processes; 0: two for many files, else one."),
    "required-version": ({"type": "string"}, "The calico-lint that this project needs: `>=0.1,<0.3`, or one version."),
}
_PATTERNS = ("exclude", "per-file-ignores", "per-file-kops-version")
_PATHS = ("baseline", "schema")


def has_table(data: bytes) -> bool:
    """Whether the text of a pyproject.toml holds [tool.calico-lint]; true, too, of one that cannot be read."""
    try:
        tool = tomllib.loads(data.decode()).get("tool")
    except ValueError:
        return True
    return isinstance(tool, dict) and "calico-lint" in tool


def read(path: str) -> dict[str, Any]:
    """The settings of a file by the names of `DEFAULTS`; paths among them are relative to the working folder.

    Raises UsageError with the place.
    """
    try:
        with open(path, "rb") as stream:
            text = stream.read().decode()
        table: Any = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # of the decoder too
        raise UsageError(f"{path}: no TOML: {error}") from error
    if os.path.basename(path) == PROJECT_FILE:
        table = table.get("tool", {}).get("calico-lint", {})
        if not isinstance(table, dict):
            raise UsageError(f"{path}: tool.calico-lint must be a table")
    folder = os.path.dirname(path)
    values = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if key not in KEYS:
            raise UsageError(f"{_place(path, text, key)}: there is no such setting{_meant(key, KEYS)}")
        _check(value, KEYS[key][0], path, text, key)
        if key in _PATTERNS and any(pattern.startswith("!") for pattern in value) and key != "exclude":
            raise UsageError(f"{_place(path, text, key)}: a pattern with `!` has nothing to take back here")
        values[name] = os.path.normpath(os.path.join(folder, value)) if key in _PATHS else value
    requirement = values.get("required_version")
    if requirement is not None and not _fits(requirement, _place(path, text, "required-version")):
        raise UsageError(
            f"{_place(path, text, 'required-version')}: this project needs calico-lint {requirement}, "
            f"and this is {__version__}"
        )
    return values


def _check(value: Any, schema: dict[str, Any], path: str, text: str, *keys: str) -> None:
    """Compare a value with the few JSON Schema keywords of `KEYS`."""

    def refuse(reason: str) -> UsageError:
        return UsageError(f"{_place(path, text, *keys)}: {reason}")

    if "enum" in schema:
        if value not in schema["enum"]:
            allowed = ", ".join(f'"{each}"' for each in schema["enum"])
            raise refuse(f"{value!r} is none of {allowed}{_meant(str(value), schema['enum'])}")
        return
    kind = {"array": list, "object": dict, "string": str, "integer": int, "boolean": bool}[schema["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        wanted = {"array": "a list of texts", "object": "a table", "string": "a text", "integer": "a whole number",
            "boolean": "true or false"}[schema["type"]]  # fmt: skip
        raise refuse(f"{value!r} is not {wanted}")
    if isinstance(value, list):
        for item in value:
            _check(item, schema["items"], path, text, *keys)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(item, schema["additionalProperties"], path, text, *keys, key)
    elif "minimum" in schema and value < schema["minimum"]:
        raise refuse(f"{value} is less than {schema['minimum']}")
    elif "minLength" in schema and not value:
        raise refuse("the text is empty")
    elif "pattern" in schema and not re.search(str(schema["pattern"]), str(value)):
        raise refuse(f"{value!r} is not a kOps version: give X.Y or X.Y.Z")


def _place(path: str, text: str, *keys: str) -> str:
    """`pyproject.toml:7: fail-on`: tomllib keeps no places, so the line is where the key is first written."""
    found = re.search(rf"(?m)^\s*(?:[\[\w.\s-]*\.)?[\"']?{re.escape(keys[-1])}[\"']?\s*[=.\]]", text)
    line = f":{text.count(chr(10), 0, found.end()) + 1}" if found else ""
    return f"{path}{line}: {'.'.join(keys)}"


def _meant(word: str, known: Any) -> str:
    import difflib

    close = difflib.get_close_matches(word.replace("_", "-"), list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else f"; there are {', '.join(known)}"


def _fits(requirement: str, place: str) -> bool:
    """Whether this calico-lint is what is asked for: comparisons, all of which must hold."""
    own = _numbers(re.match(r"[0-9.]*", __version__)[0])  # type: ignore[index]
    for part in requirement.split(","):
        match = re.match(_REQUIREMENT, part.strip())
        if match is None:
            raise UsageError(f"{place}: {part.strip()!r} is no comparison: write `>=0.1`, `<0.3`, or `0.1.0`")
        sign, wanted = match[1] or "==", _numbers(match[2])
        length = max(len(own), len(wanted))
        left, right = ((*numbers, *[0] * (length - len(numbers))) for numbers in (own, wanted))
        holds = {"==": left == right, "!=": left != right, ">=": left >= right, "<=": left <= right,
            ">": left > right, "<": left < right}  # fmt: skip
        if not holds[sign]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".") if number)


# --- --show-settings ------------------------------------------------------------------------------------


def show(options: argparse.Namespace, format: str) -> str:
    """Every setting with its value and origin: as TOML with the origin as a comment, or as JSON."""
    rows = {name.replace("_", "-"): (getattr(options, name), options.origins[name]) for name in DEFAULTS}
    if format == "json":
        import json

        return json.dumps({key: {"value": value, "origin": origin} for key, (value, origin) in rows.items()}, indent=1)
    lines = [
        f"{'# ' if value is None else ''}{key} = {'(none)' if value is None else _toml(value)}  # {origin}"
        for key, (value, origin) in rows.items()
    ]
    return "\n".join(lines)


def _toml(value: Any) -> str:
    import json

    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    # TOML takes JSON's numbers, booleans and texts, but for one control character and halves of surrogate pairs.
    return json.dumps(value).replace("\x7f", "\\u007f")


# --- the schema for editors -----------------------------------------------------------------------------


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a settings file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of calico-lint",
        "description": "`.calico-lint.toml`, or `[tool.calico-lint]` in pyproject.toml.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            key: {
                "description": text,
                **schema,
                **({"default": default} if (default := DEFAULTS[key.replace("-", "_")]) is not None else {}),
            }
            for key, (schema, text) in KEYS.items()
        },
    }


def schema_text() -> str:
    """The schema as it is committed and printed."""
    import json

    return json.dumps(json_schema(), indent=1) + "\n"


def _main() -> int:
    from calico_lint.generated import settle

    path = os.path.join(os.path.dirname(__file__), "..", "docs", "settings.schema.json")
    return settle({path: schema_text()}, sys.argv[1:], "python -m calico_lint.settings_file")


if __name__ == "__main__":
    sys.exit(_main())
