"""Every test starts from the same environment, whatever the machine's is."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("CALICO_LINT_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    for name in ("COLUMNS", "NO_COLOR", "KOPS_VERSION", "CALICO_LINT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
