"""What tests of registries share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def few_authorities(one_authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here speaks TLS with anybody."""
    monkeypatch.setenv("SSL_CERT_FILE", str(one_authority))
