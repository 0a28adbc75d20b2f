"""Where a project's configuration of cross is: Cross.toml, and tables in Cargo.toml; and what wins if both speak.

The release reads `[package.metadata.cross]` of the Cargo.toml beside Cross.toml, and Cross.toml wins. The main branch
reads `[workspace.metadata.cross]`, or else the first package's table, and there Cargo.toml wins over Cross.toml. With
both, the environment wins over all files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from imagefab.cross.cross_toml import list_references
from imagefab.cross.file import UserFile, read_user_file
from imagefab.cross.profile import MAIN, Profile, guess_profile
from imagefab.cross.remark import Remark
from imagefab.errors import ImagefabError
from imagefab.toml.edit import Keys, find_value

CROSS_FILE, CARGO_FILE = "Cross.toml", "Cargo.toml"
_PACKAGE: Keys = ("package", "metadata", "cross")
_WORKSPACE: Keys = ("workspace", "metadata", "cross")


def read_cross_files(path: Path | None, folder: Path = Path()) -> list[UserFile]:
    """Read the files that configure cross, by default those in the folder. The one to write comes first."""
    if path is not None:
        file = read_user_file(path)
        return [_find_section(file) or replace(file, section=_PACKAGE) if path.name == CARGO_FILE else file]
    file = read_user_file(folder / CROSS_FILE)
    cargo = _read_cargo(folder / CARGO_FILE)
    if cargo is None:
        return [file]
    return [file, cargo] if file.exists else [cargo]


def _read_cargo(path: Path) -> UserFile | None:
    """Cargo.toml, if it configures cross. One that can't be read is cargo's business."""
    try:
        return _find_section(read_user_file(path))
    except ImagefabError:
        return None


def _find_section(file: UserFile) -> UserFile | None:
    """The file with the table that counts. If there are two, the release reads one, and the main branch the other."""
    has = {section: isinstance(find_value(file.data, section), dict) for section in (_PACKAGE, _WORKSPACE)}
    if has[_WORKSPACE] and not (has[_PACKAGE] and guess_profile(find_value(file.data, _WORKSPACE)) is not MAIN):
        return replace(file, section=_WORKSPACE)
    return replace(file, section=_PACKAGE) if has[_PACKAGE] else None


def guess_version(files: list[UserFile]) -> Profile:
    """The version of cross that files are written for. Only the main branch reads a workspace's table."""
    if any(file.section == _WORKSPACE for file in files):
        return MAIN
    return next((MAIN for file in files if guess_profile(file.cross) is MAIN), guess_profile({}))


def check_precedence(files: list[UserFile], number: int, profile: Profile) -> Iterator[Remark]:
    """Yield remarks on one of the files, as to whether it is read and what wins over it."""
    file = files[number]
    if file.section == _WORKSPACE and profile is not MAIN:
        yield Remark(
            file.section,
            f"{profile.says} does not read `[workspace.metadata.cross]`",
            "write it into Cross.toml, which every version reads",
            on_key=True,
        )
    others = [other for other in files if other is not file]
    if not file.section or not others:
        return
    for triple in list_references(file.cross):
        if triple in list_references(others[0].cross):
            winner, loser = (file, others[0]) if profile is MAIN else (others[0], file)
            yield Remark(
                (*file.section, "target", triple, "image"),
                f"{winner.shown} also has an image for {triple}, and with {profile.says} it wins over {loser.shown}"
                if winner is not file
                else f"{loser.shown} also has an image for {triple}; with {profile.says} this one wins",
                "write it in one place",
                group="two images",
            )


def list_overrides(environment: Mapping[str, str], triples: list[str]) -> list[str]:
    """Variables that are set and win over the images of targets in files."""
    names = {f"CROSS_TARGET_{re.sub('-', '_', triple).upper()}_IMAGE" for triple in triples}
    return sorted(names & environment.keys())
