"""Probes, which are scripts that run in the image, and rows, which are their results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A file that a probe creates, below its own folder."""

    path: str
    static: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    name: str
    what: str
    """What is true if it passes; one line."""
    script: str
    products: tuple[Product, ...] = ()
    """Files that must be for the target."""
    files: tuple[tuple[str, Path], ...] = ()
    """Files from this machine that are in its own folder, by name."""
    root: bool = False
    """Whether it runs as root on a writable root file system, like cross's pre-build steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a report."""

    name: str
    verdict: Verdict
    detail: str
    """What is true, what failed, or why it was skipped."""
    output: tuple[str, ...] = ()
    """The last lines of output, if it failed."""


def passed(name: str, detail: str) -> Row:
    return Row(name=name, verdict=Verdict.PASS, detail=detail)


def failed(name: str, detail: str, output: tuple[str, ...] = ()) -> Row:
    return Row(name=name, verdict=Verdict.FAIL, detail=detail, output=output)


def skipped(name: str, detail: str) -> Row:
    return Row(name=name, verdict=Verdict.SKIP, detail=detail)
