"""Requirements of tests: a test is skipped where one is missing, or fails where nothing may be skipped."""

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
