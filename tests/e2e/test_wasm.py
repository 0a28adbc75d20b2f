"""WebAssembly in an image: with Rust, and broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine
from tests.e2e.support.rust import Rust

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


@pytest.mark.parametrize("name", ["wasm32-wasip1", "wasm32-unknown"])
def test_rust(name: str, warm: CommandLine, packaged_rust: Rust) -> None:
    """A crate with a C dependency; for WASI its tests run too."""
    warm.run("build", name)
    (report,) = warm.json("check", name, "--rust", packaged_rust.sysroot)["images"]
    assert {probe["name"]: probe["verdict"] for probe in report["probes"]}["rust"] == "pass", report


def test_exceptions_that_nothing_implements_are_found_out(warm: CommandLine, project: Callable[..., Path]) -> None:
    line = warm.at(project(RECIPE))
    line.run("lock")
    line.run("build", "probe")
    (report,) = line.json("check", "probe", code=8)["images"]
    failed = {probe["name"]: "".join(probe["output"]) for probe in report["probes"] if probe["verdict"] == "fail"}
    assert set(failed) == {"c++", "cmake"}
    assert "undefined symbol: __cxa_throw" in failed["c++"]
    assert {"c", "archive"} <= {probe["name"] for probe in report["probes"] if probe["verdict"] == "pass"}
