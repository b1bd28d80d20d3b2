"""The pictures of the documentation: `python -m tests.docs_pictures`, or `make screenshots`.

What a command prints in a terminal becomes an SVG, through rich; a page becomes two PNGs, light and dark, in headless
Chromium through playwright. Without either of these the pages' pictures stay as they are, with a message.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.docs_examples import ROOT
from tests.helpers import read_terminal

FOLDER = ROOT / "docs" / "pictures"
LARGEST = 300_000
"""Bytes of a picture: they are part of the repository."""
COLUMNS = 100

TODAY = "--from fixtures/specs/tutorial-120-nodes-today.yaml --kops-version 1.14.1 --from-kops-version 1.14.1"
PULLED = "--budget scheduling_block=45m --set pull_upgrade=0 --set pull_node=0 --set pull_cni=0"
PLAN = f"calico-sim plan fixtures/specs/tutorial-120-nodes.yaml {TODAY}"

# Name -> command, and how many lines of its output fit on a screen.
TERMINALS: dict[str, tuple[str, int]] = {
    "lint": ("calico-lint fixtures/specs/tutorial-120-nodes-draft.yaml --kops-version 1.14.1 --select KE206,U001", 40),
    "plan": (PLAN, 30),
    "recover": ("calico-sim recover fixtures/states/node-lost.json", 40),
}
PAGE = f"{PLAN} {PULLED}"
SECTIONS: dict[str, str] = {"plan": "Budgets", "plan-run": "The median run"}
"""Name -> the section of the plan's page that is shown: `plan` down to it, the others alone."""

_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"


def in_terminal(command: str) -> str:
    """What a command prints on a terminal with colours, control sequences included."""
    ours, theirs = pty.openpty()
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "COLUMNS": str(COLUMNS),
    }
    with subprocess.Popen(
        shlex.split(command), cwd=ROOT, env=environment, stdout=theirs, stdin=theirs, stderr=subprocess.DEVNULL
    ):
        os.close(theirs)
        printed = read_terminal(ours)
    return printed.decode().replace("\r\n", "\n")


def as_svg(name: str, command: str, printed: str, lines: int) -> str:
    """The first lines of a terminal as a picture that needs no font from elsewhere."""
    from rich.console import Console
    from rich.terminal_theme import TerminalTheme
    from rich.text import Text

    # Black, red, green (behind white letters), yellow, blue, magenta, cyan, white; then bright ones. Contrast is AA.
    dark = [
        (30, 33, 38),
        (255, 123, 114),
        (35, 134, 54),
        (210, 153, 34),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
    ]
    theme = TerminalTheme((30, 33, 38), (230, 237, 243), [*dark, (255, 255, 255)], [*dark, (255, 255, 255)])
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    text = Text.from_ansi(printed).wrap(console, COLUMNS)
    shown = [*text[:lines], *([Text("…", style="dim")] if len(text) > lines else [])]
    for line in (*Text(f"$ {command}", style="bold").wrap(console, COLUMNS), *shown):
        console.print(line, soft_wrap=True)
    title = command.split()[0]
    svg = _FONT_FACE.sub("", console.export_svg(title=title, unique_id=name, theme=theme))
    return "".join(f"{line.rstrip()}\n" for line in svg.replace("Fira Code, monospace", _FONT).splitlines())


def photograph() -> None:
    """Write parts of the plan's page as the browser shows it, in both colour schemes."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise FileNotFoundError("no Chromium on this machine (Debian: apt install chromium)")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder, "plan.html")
        in_terminal(f"{PAGE} --html {page_file}")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1000, "height": 800}, color_scheme=scheme)
            page.goto(page_file.as_uri())
            for name, heading in SECTIONS.items():
                section = page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))
                box = section.bounding_box()
                top = 0 if name == "plan" else box["y"]
                clip = {"x": 0, "y": top, "width": 1000, "height": box["y"] + box["height"] - top}
                page.screenshot(path=FOLDER / f"{name}-{scheme}.png", full_page=True, clip=clip)
        browser.close()


def main() -> int:
    """Write all pictures; the exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (command, lines) in TERMINALS.items():
        picture = as_svg(name, command, in_terminal(command), lines)
        (FOLDER / f"{name}.svg").write_text(picture, encoding="utf-8")
    try:
        photograph()
    except ImportError:
        print("the pictures of pages are left as they are: playwright is not installed", file=sys.stderr)
    except FileNotFoundError as error:
        print(f"the pictures of pages are left as they are: {error}", file=sys.stderr)
    large = [path.name for path in FOLDER.iterdir() if path.stat().st_size > LARGEST]
    for name in large:
        print(f"docs/pictures/{name} is larger than {LARGEST} bytes", file=sys.stderr)
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main())
