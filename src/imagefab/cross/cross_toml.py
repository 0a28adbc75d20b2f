"""Cross.toml: pins each target's image, in the form that a version of cross accepts, and keeps everything else.

The release only accepts an image's name. Main also accepts a table with the image's host platforms; without it main
runs the image for linux/amd64, so only an image for that platform alone needs no table. A table with the right
platforms is left unchanged, since the user chooses which Rust toolchain runs on them.

`runner` and `env` are not written: imagefab's images choose a runner and contain their environment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from imagefab.cross.lint import check_cross_toml, check_form
from imagefab.cross.pin import Pin, name_of
from imagefab.cross.profile import Profile
from imagefab.cross.remark import Ours, Remark
from imagefab.platforms import AMD64, ARM64, HostPlatform
from imagefab.toml.edit import (
    Change,
    EditError,
    Keys,
    ValueDifference,
    change_text,
    find_value,
    list_differences,
    read_data,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A target's entry in Cross.toml."""

    recipe: str
    triple: str
    pin: Pin
    runners: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By host platform: the values that CROSS_RUNNER accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The result of an update, and remarks on it."""

    text: str
    differences: tuple[ValueDifference, ...]
    remarks: tuple[Remark, ...]
    """Remarks on the new text."""

    @property
    def is_refused(self) -> bool:
        return any(remark.fatal for remark in self.remarks)


def update_cross_toml(
    text: str, entries: Sequence[Entry], profile: Profile, *, custom: Collection[str] = (), section: Keys = ()
) -> Update:
    """Return the text with the images of the entries. `custom` are the user's own triples.

    `section` is where the configuration is in a Cargo.toml. EditError if an image cannot be inserted without changing
    something else and no remark explains why.
    """
    data = read_data(text)
    ours = {entry.triple: Ours(recipe=entry.recipe, runners=entry.runners) for entry in entries}
    found = find_section(data, section)
    changes = [
        replace(change, path=(*section, *change.path))
        for entry in entries
        for change in _make_changes(found, entry, profile)
    ]

    def check(text: str, ours: Mapping[str, Ours]) -> tuple[Remark, ...]:
        form = () if section else check_form(text, profile)
        remarks = check_cross_toml(find_section(read_data(text), section), profile, ours=ours, custom=custom)
        return (*form, *(replace(remark, path=(*section, *remark.path)) for remark in remarks))

    try:
        new = change_text(text, changes)
    except EditError:
        remarks = check(text, {})
        if not any(remark.fatal for remark in remarks):
            raise
        return Update(text=text, differences=(), remarks=remarks)
    return Update(text=new, differences=list_differences(data, changes), remarks=check(new, ours))


def find_section(data: Mapping[str, Any], section: Keys) -> dict[str, Any]:
    """Return cross's configuration in a document; empty if there is none."""
    found = find_value(data, section)
    return found if isinstance(found, dict) else {}


def compose_cross_toml(entries: Sequence[Entry], profile: Profile) -> str:
    """Return a file with only the entries."""
    return update_cross_toml("", entries, profile).text


def list_images(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the keys and name of each image in the file, including those for zig."""
    targets = data.get("target")
    for triple in targets if isinstance(targets, dict) else ():
        for way in (("image",), ("zig", "image")):
            name = _find_name(find_value(targets, (triple, *way)))
            if name is not None:
                yield ("target", triple, *way), name


def list_targets(data: Mapping[str, Any]) -> list[str]:
    """Return the targets that the file has a table for."""
    targets = data.get("target")
    return list(targets) if isinstance(targets, dict) else []


def list_references(data: Mapping[str, Any]) -> dict[str, str]:
    """Return each target's image, as the file names it."""
    return {keys[1]: name for keys, name in list_images(data) if keys[2:] == ("image",)}


def list_used(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the last part of each target's image name, which for imagefab's images is the recipe."""
    return {triple: name_of(name) for triple, name in list_references(data).items()}


def _find_name(image: object) -> str | None:
    name = image.get("name") if isinstance(image, dict) else image
    return name if isinstance(name, str) else None


def _make_changes(data: Mapping[str, Any], entry: Entry, profile: Profile) -> Iterator[Change]:
    path, pin = ("target", entry.triple, "image"), entry.pin
    current = find_value(data, path)
    if profile.image_tables and isinstance(current, dict):
        if current.get("name") != pin.reference:
            yield Change((*path, "name"), pin.reference)
        if _read_platforms(current.get("toolchain")) != frozenset(pin.platforms):
            yield Change((*path, "toolchain"), _write_platforms(pin))
    elif profile.image_tables and pin.platforms != (AMD64,):
        yield Change(path, {"name": pin.reference, "toolchain": _write_platforms(pin)})
    elif current != pin.reference:
        if isinstance(current, dict):
            yield Change(path, None)
        yield Change(path, pin.reference)


def _write_platforms(pin: Pin) -> list[str]:
    """Return the platforms in full: older commits of main parse a bare platform as a triple and reject it."""
    return [f"{platform.name}={platform.rust_host}" for platform in pin.platforms]


def _read_platforms(toolchain: object) -> frozenset[HostPlatform | None]:
    """Return the host platforms listed for an image; None stands for an unknown one."""
    entries = toolchain if isinstance(toolchain, list) else []
    return frozenset(_read_platform(entry) for entry in entries)


def _read_platform(entry: object) -> HostPlatform | None:
    platform = str(entry).partition("=")[0].removesuffix("/v8")
    for known in (AMD64, ARM64):
        if platform == known.name or platform.startswith(f"{known.machine}-unknown-linux-"):
            return known
    return None
