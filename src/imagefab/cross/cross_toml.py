"""Cross.toml: for each target the image, pinned, in the form that a version of cross takes. The rest is the user's.

The release takes an image's name and nothing else. Main also takes, in a table, the host platforms that the image has;
without it main runs the image for linux/amd64, so only an image for that platform alone goes without a table. A table
that names the right platforms is left as it is, since which Rust toolchain runs on them is its writer's choice.

`runner` and `env` are not written: our images choose a runner and carry their environment themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imagefab.cross.lint import Ours, Remark, check_cross_toml, check_form
from imagefab.cross.pin import Pin, name_of
from imagefab.cross.profile import Profile
from imagefab.platforms import AMD64, ARM64, HostPlatform
from imagefab.toml.edit import Change, EditError, ValueDifference, change_text, find_value, list_differences, read_data


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What Cross.toml is to say of one target."""

    recipe: str
    triple: str
    pin: Pin
    runners: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By host platform: what CROSS_RUNNER can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What becomes of a file, and what is to be said of it."""

    text: str
    differences: tuple[ValueDifference, ...]
    remarks: tuple[Remark, ...]
    """On the new text."""

    @property
    def is_refused(self) -> bool:
        return any(remark.fatal for remark in self.remarks)


def update_cross_toml(text: str, entries: Sequence[Entry], profile: Profile, *, custom: Collection[str] = ()) -> Update:
    """The text with the images of the entries. `custom` are the user's own triples.

    EditError when an image cannot be put in without touching something else, and no remark says why.
    """
    data = read_data(text)
    ours = {entry.triple: Ours(recipe=entry.recipe, runners=entry.runners) for entry in entries}
    changes = [change for entry in entries for change in _make_changes(data, entry, profile)]
    try:
        new = change_text(text, changes)
    except EditError:
        remarks = (*check_form(text, profile), *check_cross_toml(data, profile, ours={}, custom=custom))
        if not any(remark.fatal for remark in remarks):
            raise
        return Update(text=text, differences=(), remarks=remarks)
    return Update(
        text=new,
        differences=list_differences(data, changes),
        remarks=(
            *check_form(new, profile),
            *check_cross_toml(read_data(new), profile, ours=ours, custom=custom),
        ),
    )


def compose_cross_toml(entries: Sequence[Entry], profile: Profile) -> str:
    """A file with nothing but the entries."""
    return update_cross_toml("", entries, profile).text


def list_images(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where the file names an image for a target, and how; zig's own too."""
    targets = data.get("target")
    for triple in targets if isinstance(targets, dict) else ():
        for way in (("image",), ("zig", "image")):
            name = _find_name(find_value(targets, (triple, *way)))
            if name is not None:
                yield ("target", triple, *way), name


def list_references(data: Mapping[str, Any]) -> dict[str, str]:
    """For each target its image, as the file names it."""
    return {keys[1]: name for keys, name in list_images(data) if keys[2:] == ("image",)}


def list_used(data: Mapping[str, Any]) -> dict[str, str]:
    """For each target the last part of its image's name, which for images of ours is the recipe."""
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
    """In full: older states of main read a platform alone as a triple, and refuse it."""
    return [f"{platform.name}={platform.rust_host}" for platform in pin.platforms]


def _read_platforms(toolchain: object) -> frozenset[HostPlatform | None]:
    """The host platforms that an image is said to have; None for one that we do not know."""
    entries = toolchain if isinstance(toolchain, list) else []
    return frozenset(_read_platform(entry) for entry in entries)


def _read_platform(entry: object) -> HostPlatform | None:
    platform = str(entry).partition("=")[0].removesuffix("/v8")
    for known in (AMD64, ARM64):
        if platform == known.name or platform.startswith(f"{known.machine}-unknown-linux-"):
            return known
    return None
