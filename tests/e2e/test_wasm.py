"""WebAssembly in an image: what is broken on purpose is found out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine

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


def test_exceptions_that_nothing_implements_are_found_out(warm: CommandLine, project: Callable[..., Path]) -> None:
    line = warm.at(project(RECIPE))
    line.run("lock")
    line.run("build", "probe")
    (report,) = line.json("check", "probe", code=8)["images"]
    failed = {probe["name"]: "".join(probe["output"]) for probe in report["probes"] if probe["verdict"] == "fail"}
    assert set(failed) == {"c++", "cmake"}
    assert "undefined symbol: __cxa_throw" in failed["c++"]
    assert {"c", "archive"} <= {probe["name"] for probe in report["probes"] if probe["verdict"] == "pass"}
