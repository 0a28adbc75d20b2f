"""imagefab as a user runs it: in a process of its own, on a store and a project."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
"""This repository."""


class CommandLine:
    """imagefab as a user runs it."""

    def __init__(self, store: Path, folder: Path) -> None:
        self.store = store
        self.folder = folder

    def command(self, *arguments: str | Path) -> list[str]:
        program = [sys.executable, "-m", "imagefab", "-C", str(self.folder), "--store", str(self.store)]
        return [*program, *map(str, arguments)]

    def run(
        self, *arguments: str | Path, code: int = 0, prefix: Sequence[str] = (), **options: Any
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [*prefix, *self.command(*arguments)], capture_output=True, text=True, check=False, **options
        )
        assert result.returncode == code, f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.stderr, result.stderr
        return result

    def json(self, *arguments: str | Path, **options: Any) -> Any:
        return json.loads(self.run(*arguments, "--json", **options).stdout)

    def build(self, *arguments: str | Path, **options: Any) -> dict[str, Any]:
        """Build; the description of the first image."""
        image: dict[str, Any] = self.json("build", *arguments, **options)["images"][0]
        return image

    def check(self, *arguments: str | Path, **options: Any) -> dict[str, Any]:
        """Check; the report of the first image."""
        report: dict[str, Any] = self.json("check", *arguments, **options)["images"][0]
        return report

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )

    def at(self, folder: Path) -> CommandLine:
        return CommandLine(self.store, folder)


def list_layers(image: dict[str, Any], platform: str = "linux/amd64") -> list[dict[str, Any]]:
    """The layers that `build --json` describes."""
    layers: list[dict[str, Any]] = image["platforms"][platform]["layers"]
    return layers


def list_built(image: dict[str, Any]) -> list[str]:
    """The names of the layers that were built, and not found in the store."""
    return [layer["name"] for layer in list_layers(image) if not layer["cached"]]


def list_probes(report: dict[str, Any], verdict: str) -> set[str]:
    """The probes of a check that have a verdict."""
    return {probe["name"] for probe in report["probes"] if probe["verdict"] == verdict}


def list_failures(report: dict[str, Any]) -> dict[str, str]:
    """The probes that failed, and what was said of them."""
    return {
        probe["name"]: "\n".join([probe["detail"], *probe["output"]])
        for probe in report["probes"]
        if probe["verdict"] == "fail"
    }
