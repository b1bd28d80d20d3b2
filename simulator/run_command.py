"""`calico-sim run`: one deterministic scenario in, its result out as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from simulator.engine import run
from simulator.reading import read_text
from simulator.scenario import Scenario, ScenarioError
from simulator.trace import Trace
from simulator.windows import result

if TYPE_CHECKING:
    from simulator.report.trace import Files


def run_file(path: str, files: Files | None = None) -> str:
    """Run the scenario in a file and return the result as JSON text, with a newline at its end.

    Args:
        path: a JSON file, a TOML file if its name ends in ``.toml``, or ``-`` for JSON on standard input.
        files: where to write the events of the run, if anywhere.

    Raises:
        ScenarioError: the file cannot be read, is not JSON or TOML (with line and column), or is no scenario.
        OSError: one of `files` cannot be written.

    """
    if files is None:
        return _text(run(read_scenario(path)))
    files.check()
    scenario = read_scenario(path)
    trace = run(scenario, causes=True)
    files.write(trace, scenario.name or path)
    return _text(trace)


def _text(trace: Trace) -> str:
    return json.dumps(result(trace), indent=1) + "\n"


def read_scenario(path: str) -> Scenario:
    """The scenario in a file; arguments and errors as for `run_file`."""
    text = read_text(path)
    return Scenario.from_toml(text) if path.endswith(".toml") else Scenario.from_dict(_json(text))


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ScenarioError(place, f"this is not JSON: {error.msg}", "correct the text there") from None
    except RecursionError:
        raise ScenarioError("", "the JSON is nested too deeply", "a scenario has four levels") from None
    except ScenarioError:
        raise
    except ValueError as error:  # a number with thousands of digits
        raise ScenarioError("", str(error), "use a number of seconds") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two equal keys JSON readers silently drop the first."""
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ScenarioError(repr(twice), "the key is there twice in one object", "keep one")
    return table


def _no_constant(name: str) -> float:
    raise ScenarioError("", f"{name} is not a number of JSON", "use a finite number, or null where it is allowed")
