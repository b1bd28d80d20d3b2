"""Diagrams without the network: mermaid from the file that `make docs` gets with npm, or the diagram's text.

The theme would load mermaid from elsewhere while the page is read; it does not where the page brings its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from pymdownx.superfences import fence_code_format

SCRIPT = Path("build/mermaid/node_modules/mermaid/dist/mermaid.min.js")
TARGET = "assets/javascripts/mermaid.min.js"


def _script(config: Any) -> Path:
    return Path(config.config_file_path).parent / SCRIPT


def on_config(config: Any) -> Any:
    """Have diagrams drawn, if there is something to draw them with."""
    if _script(config).exists():
        fence = {"name": "mermaid", "class": "mermaid", "format": fence_code_format}
        config.mdx_configs.setdefault("pymdownx.superfences", {})["custom_fences"] = [fence]
        config.extra_javascript.append(TARGET)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the script to the site."""
    if _script(config).exists():
        files.append(File.generated(config, TARGET, abs_src_path=str(_script(config))))
    return files
