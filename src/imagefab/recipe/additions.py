"""What a recipe or a base adds to an image: packages, files, sources, run steps, environment.

Checks what the format can't express for single values: a run step uses sources of its own file, a path is written once
in a chain, and a copied file is inside the recipes folder.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from imagefab.digest import Digest
from imagefab.files.plain import BadFileError, read_bytes
from imagefab.recipe.model import Additions, AnySource, Base, FileSpec, OwnFileSpec, RunSpec, SourceSpec, WheelSpec
from imagefab.toml.document import Document
from imagefab.toml.grammar import quote, suggest


def load_additions(
    document: Document, table: dict[str, Any], below: tuple[Base, ...], recipes_dir: Path
) -> Additions | None:
    """Load the additions of a document that was read; None if the document has problems."""
    _check_run_sources(document, table)
    _check_sources(document, table, below, recipes_dir)
    _check_paths(document, table, below)
    files = [_load_file(document, index, file, recipes_dir) for index, file in _entries(table, "files")]
    if document.problems:
        return None
    packages = table.get("packages", {})
    return Additions(
        host_packages=tuple(packages.get("host", ())),
        target_packages=tuple(packages.get("target", ())),
        files=tuple(file for file in files if file),
        sources=tuple(_make_source(source, recipes_dir) for source in table.get("sources", ())),
        run=tuple(
            RunSpec(name=run["name"], script=run["script"], sources=tuple(run.get("sources", ())))
            for run in table.get("run", ())
        ),
        env=tuple(table.get("env", {}).items()),
        keep=tuple(table.get("keep", ())),
    )


def _entries(table: dict[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
    """List the valid tables in an array of tables, with their index."""
    return [(index, entry) for index, entry in enumerate(table.get(key, ())) if entry is not None]


def _check_run_sources(document: Document, table: dict[str, Any]) -> None:
    known = [source["name"] for _, source in _entries(table, "sources") if "name" in source]
    for index, run in _entries(table, "run"):
        for place, name in enumerate(run.get("sources", ())):
            if name is not None and name not in known:
                spot = document.spot("run", index, "sources", place)
                spot.report(f"no source {quote(name)} in this file", suggest(name, known, noun="sources"))


def _check_sources(document: Document, table: dict[str, Any], below: tuple[Base, ...], recipes_dir: Path) -> None:
    """Check that a name means the same file throughout a chain, because locks identify sources by name."""
    inherited = {source.name: (base.name, source) for base in below for source in base.additions.sources}
    for index, entry in _entries(table, "sources"):
        found = inherited.get(entry.get("name", ""))
        if found and _is_whole(entry) and _identify(found[1]) != _identify(_make_source(entry, recipes_dir)):
            document.spot("sources", index, "name").report(
                f"the base `{found[0]}` has another file called {quote(entry['name'])}", "give it a name of its own"
            )


def _identify(source: AnySource) -> object:
    """Return what identifies the file: the same bytes may be available from several places."""
    return source.sha256 if isinstance(source, SourceSpec) else source


def _is_whole(entry: dict[str, Any]) -> bool:
    return "wheel" in entry or "file" in entry or {"url", "sha256"} <= entry.keys()


def _make_source(entry: dict[str, Any], recipes_dir: Path) -> AnySource:
    name = entry["name"]
    if "wheel" in entry:
        project, _, version = entry["wheel"].partition("==")
        return WheelSpec(name=name, project=project, version=version)
    if "file" in entry:
        return OwnFileSpec(name=name, path=find_own_file(entry["file"], recipes_dir))
    return SourceSpec(name=name, url=entry["url"], sha256=Digest.parse(entry["sha256"]))


def find_own_file(path: str, recipes_dir: Path) -> str:
    """Return the path of a user's file; relative paths start at the project's folder."""
    return str(recipes_dir.parent / path)


def _check_paths(document: Document, table: dict[str, Any], below: tuple[Base, ...]) -> None:
    """Check that no path occurs twice in a chain (the format checks single files), and that no file is in another."""
    inherited = {file.path: base.name for base in below for file in base.additions.files}
    own = {file["path"]: index for index, file in _entries(table, "files") if "path" in file}
    for path, index in own.items():
        spot = document.spot("files", index, "path")
        if path in inherited:
            spot.report(f"{quote(path)} is written by the base `{inherited[path]}` already")
        for parent in map(str, PurePosixPath(path).parents):
            if parent in inherited or parent in own:
                spot.report(f"{quote(path)} cannot be there: {quote(parent)} is a file")
    folders = {str(parent): path for path in inherited for parent in PurePosixPath(path).parents}
    for path in own.keys() & folders.keys():
        document.spot("files", own[path], "path").report(
            f"{quote(path)} cannot be a file: {quote(folders[path])} is in it"
        )


def _load_file(document: Document, index: int, file: dict[str, Any], recipes_dir: Path) -> FileSpec | None:
    content = file["content"].encode() if "content" in file else None
    if "source" in file:
        content = _read_source(document, index, file["source"], recipes_dir)
    if content is None or "path" not in file:
        return None
    return FileSpec(path=file["path"], content=content, mode=int(file.get("mode", "0644"), 8))


def _read_source(document: Document, index: int, source: str, recipes_dir: Path) -> bytes | None:
    """Read a file in the recipes folder; a path that leads out of it, by `..` or by a link, is refused."""
    spot = document.spot("files", index, "source")
    path = document.path.parent / source
    try:
        inside = path.resolve().is_relative_to(recipes_dir.resolve())
    except (OSError, RuntimeError):
        inside = True  # a cycle of links: reading reports it
    if not inside:
        spot.report(f"{quote(source)} is outside the recipes folder")
        return None
    try:
        return read_bytes(path)
    except BadFileError as error:
        spot.report(f"{quote(source)}: {error.problem}")
        return None
