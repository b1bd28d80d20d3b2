"""The page of a plan: one file, light, readable by everybody, and in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from calico_lint.kops.releases import parse_release
from calico_lint.yaml_source import Source
from simulator.cli import main
from simulator.planning import Options, Plan, make_plan, parse_budget
from simulator.report.html import render

SPECS = Path(__file__).parents[2] / "fixtures" / "specs"
VOID = {"meta", "rect", "path", "circle", "br"}


def plan_of(name: str, kops: str, **wishes: Any) -> Plan:
    source = Source(name, (SPECS / name).read_bytes())
    wishes.setdefault("replications", 400)
    return make_plan(source, None, parse_release(kops), None, Options(**wishes))


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    budget = (parse_budget("scheduling_block=7m"), parse_budget("total=2h"))
    return {
        "migration": plan_of("calico-v2-to-v3.yaml", "1.14", budgets=budget),
        "rolling": plan_of("calico-v3-rolling.yaml", "1.32"),
        "never": plan_of("calico-v2-to-v3.yaml", "1.16", replications=20),
        "blocked": plan_of("calico-v2-etcd-2.yaml", "1.14"),
        "large": plan_of("calico-v2-to-v3.yaml", "1.14", nodes=5000, replications=64),
    }


@pytest.fixture(params=["migration", "rolling", "never", "blocked", "large"])
def page(request: pytest.FixtureRequest, plans: dict[str, Plan]) -> str:
    return render(plans[request.param], "calico-sim plan <x>", {"x.yaml": "0" * 64})


class Checker(HTMLParser):
    """Every element is closed in its order; what is referred to, and what pictures are called, is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.loads: list[str] = []
        self.unnamed = 0
        self.headings: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.loads += [value for key, value in attrs if key in ("src", "href", "xlink:href", "data") and value]
        if tag == "svg" and not (values.get("aria-label") or values.get("aria-hidden") == "true"):
            self.unnamed += 1
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.stack.pop() == tag


def test_the_page_stands_alone(page: str) -> None:
    checker = Checker()
    checker.feed(page)
    assert checker.stack == []
    assert checker.loads == []
    assert "url(" not in page
    assert "@import" not in page
    assert checker.unnamed == 0
    assert checker.headings[0] == 1
    assert all(after - before <= 1 for before, after in zip(checker.headings, checker.headings[1:], strict=False))


def test_the_page_is_light(page: str) -> None:
    assert len(page.encode()) <= 600_000


def test_the_plan_is_in_it_for_programs(page: str) -> None:
    match = re.search(r'<script type="application/json" id="plan">(.*?)</script>', page)
    assert match is not None
    assert json.loads(match[1])["version"] == 1


def test_what_a_spec_says_is_text() -> None:
    name = "<img src=x onerror=alert(1)>"
    text = (SPECS / "calico-v2-to-v3.yaml").read_text().replace("prod.example.com", f"'{name}'", 1)
    plan = make_plan(
        Source("x<y>.yaml", text.encode()), None, parse_release("1.14"), None, Options(replications=5, nodes=3)
    )
    assert "<img" not in render(plan, "x", {}).replace(json.dumps(name), "")


def test_the_page_says_what_the_plan_says(plans: dict[str, Plan]) -> None:
    pages = {name: render(plan, "x", {}) for name, plan in plans.items()}
    assert "No new pod starts for" in pages["migration"]
    assert pages["migration"].count('class="limit"') == 2
    assert "Never completes" in pages["never"]
    assert "KC102" in pages["blocked"]
    assert "one of 8 nodes is drawn" in pages["large"]


# --- instance groups ------------------------------------------------------------------------------------------


def grouped(tmp_path: Path, groups: list[tuple[str, str, int]], **wishes: Any) -> Plan:
    """The plan of a cluster with these groups: (name, role, minSize)."""
    cluster = (SPECS / "calico-v2-to-v3.yaml").read_text().split("---\n")[0]
    for name, role, size in groups:
        cluster += f"---\napiVersion: kops/v1alpha2\nkind: InstanceGroup\nmetadata: {{name: {name}}}\n"
        cluster += f"spec: {{role: {role}, minSize: {size}, maxSize: {size + 1}, subnets: [eu-central-1a]}}\n"
    source = Source("groups.yaml", cluster.encode())
    wishes.setdefault("replications", 5)
    return make_plan(source, None, parse_release("1.14"), None, Options(**wishes))


def labels(page: str) -> list[str]:
    """The names beside the bands of the first timeline."""
    picture = page[page.index("The median run") :]
    picture = picture[: picture.index("</svg>")]
    return [unescape(text) for text in re.findall(r'v[\d.]+"/><text [^>]*class="label">([^<]*)<', picture)]


def rows(page: str, kind: str) -> list[float]:
    """Where the marks of a kind begin, from top to bottom, in the first timeline; in the units of the picture."""
    match = re.search(rf'<path class="{kind}" d="([^"]*)"', page[page.index("The median run") :])
    assert match is not None
    return [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)h", match[1])]


GROUPS = [("control", "Master", 3), ("hop", "Bastion", 2), ("web", "Node", 6), ("idle", "Node", 0), ("b", "Node", 1)]


def test_groups_are_told_apart(tmp_path: Path) -> None:
    plan = grouped(tmp_path, GROUPS)
    page = render(plan, "x", {})
    assert labels(page) == ["control × 3", "web × 6", "b"]
    for text in ("<b>control</b> 3 control-plane nodes", "<b>web</b> 6 worker nodes", "<b>b</b> 1 worker node<"):
        assert page.count(text) == 1
    assert page.count("minSize each.") == 1
    # Each node once; within a group the nodes follow in the order of the roll, in the whole they do not.
    starts = [
        (float(y), float(x)) for x, y in re.findall(r"M([\d.]+) ([\d.]+)h", page.split('<path class="gap" d="')[1])
    ][:10]
    assert [y for y, _ in starts] == sorted({y for y, _ in starts})
    assert len(starts) == plan.nodes == 10
    instants = [x for _, x in starts]
    for first, last in ((0, 3), (3, 9), (9, 10)):
        assert instants[first:last] == sorted(instants[first:last])
    assert instants != sorted(instants)


def test_where_nodes_have_no_group_the_page_is_as_it_was(tmp_path: Path) -> None:
    for plan in (
        grouped(tmp_path, GROUPS, nodes=10),
        grouped(tmp_path, [("all", "Node", 4), ("hop", "Bastion", 1)]),
        grouped(tmp_path, [("all", "Node", 4), ("idle", "Node", 0)]),
    ):
        page = render(plan, "x", {})
        assert labels(page) == []
        assert "in their order" in page
        assert "minSize each." not in page


def test_not_ready_nodes_are_placed(tmp_path: Path) -> None:
    assert "The NotReady nodes are the last of all" in render(grouped(tmp_path, GROUPS, not_ready=1), "x", {})


def test_groups_of_a_large_cluster(tmp_path: Path) -> None:
    names = [
        ("control-a", "Master", 1),
        ("control-b", "Master", 1),
        *((f"pool-{each}", "Node", 713) for each in "abcdefg"),
    ]
    page = render(grouped(tmp_path, names, replications=400), "x", {})
    assert labels(page) == ["control-a", "control-b", *(f"pool-{each} × 713" for each in "abcdefg")]
    assert "one of 8 nodes of each group is drawn" in page
    assert len(page.encode()) < 250_000
    for kind in ("stale", "gap"):
        assert len(rows(page, kind)) == 2 + 7 * 90


def test_names_of_groups_are_text_and_cut_in_the_middle(tmp_path: Path) -> None:
    long = "nodes-with-a-very-long-name-in-eu-central-1a"
    page = render(grouped(tmp_path, [("'<b>&x'", "Node", 2), (long, "Node", 12)]), "x", {})
    first, second = labels(page)
    assert first == "<b>&x × 2"
    assert re.fullmatch(r"nodes-.*….*-1a × 12", second)
    assert len(second) <= 22
    assert f"<b>{long}</b> 12 worker nodes" in page


# --- colours ----------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def schemes(page: str) -> Iterator[dict[str, str]]:
    style = page[page.index("<style>") : page.index("</style>")]
    for block in re.findall(r":root\{(.*?)\}", style):
        yield dict(re.findall(r"--(\w+):(#\w+)", block))


def test_contrast_is_double_a_in_both_schemes(plans: dict[str, Plan]) -> None:
    found = list(schemes(render(plans["blocked"], "x", {})))
    assert len(found) == 2
    for colours in found:
        for ink in ("ink", "soft", "red", "amber", "green"):
            assert contrast(colours[ink], colours["paper"]) >= 4.5, (ink, colours)
        assert contrast(colours["ink"], colours["card"]) >= 4.5
        for mark in ("blue", "gap", "unready", "red", "amber"):
            assert contrast(colours[mark], colours["paper"]) >= 3, (mark, colours)


# --- a real browser ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (400, "dark")])
def test_in_chromium(browser: Any, plans: dict[str, Plan], tmp_path: Path, width: int, scheme: str) -> None:
    path = tmp_path / "plan.html"
    path.write_text(render(plans["migration"], "calico-sim plan x", {}), encoding="utf-8")
    view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    view.on("console", lambda message: said.append(message.text))
    view.on("pageerror", lambda error: said.append(str(error)))
    view.goto(path.as_uri())
    assert said == []
    assert view.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls sideways"
    # By keyboard alone: the recipes of the risks can be reached and opened.
    reached = set()
    for _ in range(40):
        view.keyboard.press("Tab")
        reached.add(view.evaluate("document.activeElement.tagName"))
    assert {"SUMMARY", "BUTTON"} <= reached
    view.locator("summary").first.focus()
    view.keyboard.press("Enter")
    assert view.locator("details").first.get_attribute("open") is not None
    view.close()


def test_without_script(browser: Any, plans: dict[str, Plan], tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    path.write_text(render(plans["migration"], "calico-sim plan x", {}), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    view = context.new_page()
    view.goto(path.as_uri())
    assert "No new pod starts for" in view.inner_text("main")
    context.close()


# --- the program ------------------------------------------------------------------------------------------


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "plan.html"
    spec = str(SPECS / "calico-v2-to-v3.yaml")
    assert main(["plan", spec, "--kops-version", "1.14", "--replications", "10", "--html", str(page)]) == 0
    assert page.read_text().startswith("<!doctype html>")
    assert main(["plan", spec, "--html", str(tmp_path / "none" / "plan.html")]) == 2
    assert "directory does not exist" in capsys.readouterr().err
