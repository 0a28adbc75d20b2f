"""Judge programs before they are released: what they need, and whether they start in other systems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagefab.check.headers import UnreadableError
from imagefab.check.needs import Needs, read_needs
from imagefab.check.product import parse_version
from imagefab.check.start_result import Start
from imagefab.errors import CheckError, ImagefabError, UsageError
from imagefab.toml.grammar import quote

if TYPE_CHECKING:
    from imagefab.flows.stage import Stage
    from imagefab.flows.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRequest:
    files: tuple[Path, ...]
    runs_on: tuple[str, ...] = ()
    """Suites in whose userland the programs are started."""
    glibc: str | None = None
    """The glibc that the programs claim to run with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    file: Path
    needs: Needs
    starts: tuple[Start, ...] = ()
    faults: tuple[str, ...] = ()
    """What is not as claimed."""


def judge_files(workspace: Workspace, request: JudgeRequest) -> Iterator[Judged | ImagefabError]:
    """Judge one file after another. One that can't be read doesn't stop the others."""
    claim = None if request.glibc is None else parse_version(request.glibc)
    if request.glibc is not None and claim is None:
        raise UsageError(f"--glibc {quote(request.glibc)} is not a version", hint="like `--glibc 2.31`")
    stage = _open_stage(workspace, request) if request.runs_on else None
    for file in request.files:
        try:
            needs = read_needs(file.resolve())
        except UnreadableError as error:
            yield CheckError(f"{file}: {error}", hint="programs, libraries and object files can be judged")
            continue
        faults = [] if claim is None else [*_compare_glibc(needs, claim)]
        try:
            starts = tuple(stage.start(file.resolve(), needs)) if stage is not None else ()
        except ImagefabError as error:
            yield error
            continue
        faults += [f"does not start on {one.suite}: {one.detail}" for one in starts if not one.works]
        yield Judged(file=file, needs=needs, starts=starts, faults=tuple(faults))


def _open_stage(workspace: Workspace, request: JudgeRequest) -> Stage:
    # Reading files works on any system; engines and stores are Linux's.
    from imagefab.flows.stage import Stage

    return Stage(workspace, request.runs_on)


def _compare_glibc(needs: Needs, claim: tuple[int, ...]) -> Iterator[str]:
    text = ".".join(map(str, claim))
    if needs.unversioned:
        yield f"needs glibc, but has no versions, so it is not known whether {text} will do"
    if needs.glibc is not None and needs.glibc.version > claim:
        symbols = ", ".join(needs.glibc.symbols[:5]) or "its versions"
        yield f"needs glibc {needs.glibc}, and not {text}: {symbols}"
