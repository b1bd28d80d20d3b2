"""Every command that the documentation shows does what is shown, and every link within it leads somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from calico_lint import reference
from calico_lint.completion import options_of, subcommands
from calico_lint.manual import PROGRAMS
from calico_lint.options import build_parser
from simulator.report import tables
from simulator.scenario_reader import _ACTIONS, _FAULTS
from simulator.timing import TIMINGS
from tests import docs_pictures
from tests.docs_examples import PAGES, ROOT, Example, examples, matches, run

EXAMPLES = [example for page in PAGES for example in examples(page)]


def test_the_pages_that_show_commands() -> None:
    pages = {example.page.stem for example in EXAMPLES}
    assert pages >= {"README", "tutorial", "plan", "recover", "route", "watch", "v1-data", "calibrate"}


def test_a_console_block_holds_only_what_can_be_run() -> None:
    assert [f"{example.name}: {example.command}" for example in EXAMPLES if not example.ours] == [], "use a block of sh"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_command_prints_what_the_page_shows(example: Example) -> None:
    printed = run(example)
    assert matches(example.output, printed), f"`python -m tests.docs_examples` renews it; it prints\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n[...]\nd\n", "a\nb\nc\nd\n", True),
        ("a\n[...]\nd\n", "a\nb\nc\n", False),
        ("a.b\n", "acb\n", False),
        ("", "", True),
        ("", "a\n", False),
    ],
)
def test_matching(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same


def test_a_command_is_run_behind_the_one_that_wrote_its_file(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ calico-lint --version > a.txt\n$ calico-lint \\\n  a.txt\n1\n2\n```\n"
        "```console\n$ calico-sim --version\nx\n\n```\n```sh\n$ kubectl\n```\n"
    )
    first, second, third = examples(page)
    assert (first.command, first.output, first.before, first.line) == ("calico-lint --version > a.txt", "", (), 2)
    assert (second.command, second.output, second.line) == ("calico-lint \\\n  a.txt", "1\n2\n", 3)
    assert second.before == (first.command,)
    assert (third.output, third.before) == ("x\n\n", ())
    assert run(first) == ""
    assert "a.txt" in run(second)


# --- what the pages say, beyond their console blocks ---------------------------------------------------


def options() -> dict[str, set[str]]:
    """The options of both programs, and of each command of calico-sim, by what is typed before them."""
    found: dict[str, set[str]] = {}
    for program, (module, function, _) in PROGRAMS.items():
        parser = getattr(import_module(module), function)()
        found[program] = {flag for action in options_of(parser) for flag in action.option_strings}
        for name, _, command in subcommands(parser):
            found[f"{program} {name}"] = {flag for action in options_of(command) for flag in action.option_strings}
    return found


OPTIONS = options()
COMMAND = re.compile(r"(?<!run )\b(calico-lint|calico-sim(?: [a-z]+)?)((?:[ =\w.,:/$\"'%{}*@-]|\\\n)*)")


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "rules"], ids=lambda page: page.name)
def test_options_that_a_page_shows_exist(page: Path) -> None:
    for program, rest in COMMAND.findall(page.read_text(encoding="utf-8")):
        known = OPTIONS.get(program) or OPTIONS["calico-sim"]
        for option in re.findall(r"(?<=\s)--[a-z][\w-]*", rest):
            assert option in known, f"{program} {option}"


def test_yaml_blocks_are_yaml() -> None:
    for page in PAGES:
        for block in re.findall(r"(?ms)^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8")):
            list(yaml.safe_load_all(textwrap.dedent(block)))


def test_json_blocks_are_json() -> None:
    for page in PAGES:
        for block in re.findall(r"(?ms)^```json\n(.*?)^```$", page.read_text(encoding="utf-8")):
            if "…" not in block:
                json.loads(block)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_reference_is_the_parser_s(program: str) -> None:
    text = reference.page(program)
    assert text == (ROOT / "docs" / "reference" / f"{program}.md").read_text(encoding="utf-8"), "make format"
    for name in (name for name in OPTIONS if name.startswith(program)):
        assert f"# {name}\n" in text
        for option in OPTIONS[name] - {"-h", "--help"}:
            assert re.search(rf"\*\*`(?:-\w, |--[\w-]+, )?{option}\b", text), option


def test_the_tables_of_the_reference_are_the_program_s() -> None:
    assert tables.main(["--check"]) == 0
    text = (ROOT / "docs" / "reference" / "scenario.md").read_text(encoding="utf-8")
    missing = {*TIMINGS, *_FAULTS, *_ACTIONS} - set(re.findall(r"`([\w-]+)`", text))
    assert missing <= {"roll_back"}, "that one is an extension"


PLAN_SCHEMA: dict[str, Any] = json.loads((ROOT / "schemas" / "plan.schema.json").read_text(encoding="utf-8"))
PLAN_SECTIONS = {  # the tables of docs/reference/plan-json.md, and the object of the schema that each describes
    "Plan JSON": PLAN_SCHEMA,
    "A window": PLAN_SCHEMA["$defs"]["window"],
    "The effect of advice": PLAN_SCHEMA["properties"]["advice"]["items"]["properties"]["effect"],
    "What is left of an upgrade": PLAN_SCHEMA["properties"]["remaining"],
}
ELSEWHERE = [*PLAN_SECTIONS.values(), PLAN_SCHEMA["properties"]["findings"]["items"]]


def keys_below(node: dict[str, Any], *, follow: bool = True) -> set[str]:
    """The keys that stand below a value of the plan; those of a `$ref` only if the value itself is one.

    A value further down that is one has its place on the page elsewhere.
    """
    if "$ref" in node:
        return keys_below(PLAN_SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]) if follow else set()
    if not node or any(node is other for other in ELSEWHERE):
        return set()
    properties = node.get("properties", {})
    return set(properties).union(
        *(keys_below(below, follow=follow) for below in (*node.get("anyOf", ()), node.get("items", {}))),
        *(keys_below(below, follow=False) for below in (*properties.values(), node.get("additionalProperties", {}))),
    )


def names_in(node: Any) -> Iterator[str]:
    """All keys and fixed values that a schema knows."""
    if isinstance(node, dict):
        yield from node.get("properties", ())
        yield from node.get("enum", ())
        for below in node.values():
            yield from names_in(below)
    elif isinstance(node, list):
        for below in node:
            yield from names_in(below)


@pytest.mark.parametrize("section", PLAN_SECTIONS)
def test_the_page_of_the_plan_s_json_describes_its_schema(section: str) -> None:
    page = (ROOT / "docs" / "reference" / "plan-json.md").read_text(encoding="utf-8")
    text = re.split(r"(?m)^##? ", page.partition(f"# {section}\n")[2])[0]
    schema = PLAN_SECTIONS[section]
    known = set(names_in(PLAN_SCHEMA))
    described: list[str] = []
    for keys, what in re.findall(r"(?m)^\| (`.*?) \| (.*) \|$", text):
        names, words = (re.findall(r"`([a-z]\w*)(?:\[\])?`", cell) for cell in (keys, what))
        described += names
        for name in names:
            below = keys_below(schema["properties"].get(name, {}), follow=schema is PLAN_SCHEMA)
            assert below <= {*names, *words}, f"below {name}"
        assert set(words) <= known, f"beside {keys}"
    assert sorted(described) == sorted(schema["properties"])


def test_the_draft_of_the_tutorial_repaired_is_its_spec() -> None:
    specs = ROOT / "fixtures" / "specs"
    spec = (specs / "tutorial-120-nodes.yaml").read_text(encoding="utf-8")
    arguments = ["--kops-version", "1.14.1", "--fix", "--unsafe-fixes", "--no-cache", "-"]
    done = subprocess.run(
        [sys.executable, "-m", "calico_lint", *arguments],
        input=(specs / "tutorial-120-nodes-draft.yaml").read_text(encoding="utf-8"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        check=False,
    )
    assert done.stdout.partition("\n")[2] == spec.partition("\n")[2]


def test_the_state_of_the_tutorial_is_the_end_of_its_stream() -> None:
    text = (ROOT / "fixtures" / "streams" / "tutorial-120-nodes.json").read_text(encoding="utf-8")
    first, at = json.JSONDecoder().raw_decode(text)
    changes = [json.loads(line) for line in text[at:].splitlines() if line]
    pods = {pod["metadata"]["name"]: pod for pod in (*first["items"], *changes)}
    state = json.loads((ROOT / "fixtures" / "states" / "tutorial-120-nodes.json").read_text(encoding="utf-8"))
    assert state["items"] == [pod for pod in pods.values() if "deletionTimestamp" not in pod["metadata"]]


@pytest.mark.parametrize("picture", [*docs_pictures.TERMINALS, *docs_pictures.SECTIONS])
def test_pictures_are_small_and_ask_nobody(picture: str) -> None:
    paths = list(docs_pictures.FOLDER.glob(f"{picture}.svg")) + [
        docs_pictures.FOLDER / f"{picture}-{scheme}.png"
        for scheme in ("light", "dark")
        if picture in docs_pictures.SECTIONS
    ]
    assert paths
    for path in paths:
        assert path.stat().st_size <= docs_pictures.LARGEST
        if path.suffix == ".svg":
            text = path.read_text(encoding="utf-8")
            assert "url(http" not in text
            assert "@font-face" not in text


def test_a_terminal_becomes_a_picture_without_fonts_from_elsewhere() -> None:
    svg = docs_pictures.as_svg("name", "calico-lint x", "\x1b[1;31merror\x1b[0m here\n" * 3, 2)
    assert "@font-face" not in svg
    assert svg.count("error") == 2
    assert "…" in svg


def test_the_site_builds_and_asks_nobody(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material is not installed: make docs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout
    pages = {str(page.relative_to(tmp_path)): page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html")}
    assert {"index.html", "tutorial/index.html", "rules/KC102/index.html", "reference/scenario/index.html"} <= set(
        pages
    )
    for name, text in pages.items():
        asked = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?https?:[^\"\s>]*", text)
        asked += re.findall(
            r"<link\b[^>]*\brel=\"?(?:stylesheet|preconnect|icon)\"?[^>]*\bhref=\"?https?:[^\"\s>]*", text
        )
        asked += re.findall(r"@import[^;]*", text)
        assert asked == [], name


def test_the_hooks_that_pages_show_can_be_run() -> None:
    hooks = []
    for page in (ROOT / "README.md", ROOT / "docs" / "pre-commit.md"):
        for block in re.findall(r"(?ms)^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8")):
            data = yaml.safe_load(textwrap.dedent(block))
            entries = [hook for repo in data["repos"] for hook in repo["hooks"]] if isinstance(data, dict) else data
            hooks += [hook for hook in entries if hook["id"] == "calico-lint"]
    assert len(hooks) >= 4
    for hook in hooks:
        build_parser().parse_args(hook["args"])
