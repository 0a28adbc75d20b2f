"""WebAssembly in an image that is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine, list_failures, list_probes

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

RECIPE = """\
description = "WebAssembly, broken on purpose"
target = "wasm32-wasip1"
kind = "wasm"
base = "trixie"
platforms = ["linux/amd64"]

[[run]]
name = "break it"
script = "sed -i s/-fno-exceptions// /usr/local/bin/wasm32-wasip1-clang++"
"""


@pytest.mark.prove
def test_exceptions_that_nothing_implements_are_found_out(warm: CommandLine, project: Callable[..., Path]) -> None:
    line = warm.at(project(RECIPE))
    line.run("lock")
    line.run("build", "probe")
    report = line.check("probe", code=8)
    failed = list_failures(report)
    assert set(failed) == {"c++", "cmake"}
    assert "undefined symbol: __cxa_throw" in failed["c++"]
    assert list_probes(report, "pass") >= {"c", "archive"}
