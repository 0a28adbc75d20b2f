"""What earlier runs of `make prove` found, so that a run goes on where the last one stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.e2e.support.command_line import ROOT

RESULTS = ROOT / ".cache" / "prove" / "results.json"


@dataclass(frozen=True, kw_only=True)
class Result:
    key: str
    """What it was found for: with other sources, recipes or locks it counts no more."""
    outcome: str
    seconds: float


def read_results(path: Path = RESULTS) -> dict[str, Result]:
    try:
        found = json.loads(path.read_text())
        return {name: Result(**fields) for name, fields in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_results(results: Mapping[str, Result], path: Path = RESULTS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({name: asdict(result) for name, result in sorted(results.items())}, indent=1))
    unfinished.rename(path)


def make_key(recipe: str | None, module: Path, root: Path = ROOT) -> str:
    """imagefab's own source, the test's module, and the recipe with its lock and all bases; or all recipes."""
    names = "*" if recipe is None else recipe
    patterns = (
        "src/**/*",
        "recipes/bases/*.toml",
        "images/bases/*/imagefab.lock",
        f"recipes/{names}.toml",
        f"images/{names}/imagefab.lock",
    )
    files = [path for pattern in patterns for path in root.glob(pattern)]
    return _digest_files([*files, module])


def _digest_files(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in files if path.is_file() and "__pycache__" not in path.parts):
        digest.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def format_table(results: Mapping[str, Result], cells: Mapping[str, tuple[str, str]]) -> list[str]:
    """A row for each subject, a column for each host platform, and what has neither below."""
    columns = sorted({column for _, column in cells.values()})
    rows: dict[str, dict[str, str]] = {}
    for name, (row, column) in cells.items():
        rows.setdefault(row, {})[column] = _format_result(results.get(name))
    width = max(map(len, [*rows, ""])) + 2
    lines = ["".ljust(width) + "".join(column.ljust(16) for column in columns)]
    lines += [row.ljust(width) + "".join(found.get(c, "").ljust(16) for c in columns) for row, found in rows.items()]
    return [line.rstrip() for line in lines]


def _format_result(result: Result | None) -> str:
    return "not run" if result is None else f"{result.outcome} {result.seconds:.0f} s"
