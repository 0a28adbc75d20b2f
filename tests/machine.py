"""What a test needs of the machine: skipped where it is missing, and failed where nothing may be skipped."""

from __future__ import annotations

import os

import pytest

STRICT = os.environ.get("IMAGEFAB_TESTS_STRICT") == "1"


def require(found: bool, what: str) -> None:
    if found:
        return
    if STRICT:
        pytest.fail(f"missing here: {what}")
    pytest.skip(f"needs {what}")
