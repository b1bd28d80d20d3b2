"""Every test starts from the same environment, whatever the machine's is."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "KOPS_VERSION", "CALICO_LINT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
