"""What each version of cross accepts in a Cross.toml: its keys and their types, as data.

There are two profiles: `0.2.5`, the last release, which `cargo install cross` installs, and `main`, the branch that
many install from git. Unknown keys are ignored with a warning, and main turns any warning into a failure in CI. A value
of the wrong type fails the whole file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a key may hold."""

    says: str
    text: bool = False
    boolean: bool = False
    texts: bool = False
    """An array of strings."""
    keys: Mapping[str, Shape] | None = None
    """A table with these keys."""
    required: tuple[str, ...] = ()
    free: bool = False
    """A table of strings with arbitrary keys."""

    def accepts(self, value: object) -> bool:
        """Return whether the value's type fits; a table's contents are checked separately."""
        if isinstance(value, dict):
            return self.keys is not None or self.free
        if isinstance(value, list):
            return self.texts and all(isinstance(element, str) for element in value)
        return (self.text and isinstance(value, str)) or (self.boolean and isinstance(value, bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    name: str
    says: str
    """The name in messages."""
    document: Shape
    target: Shape
    """The table of each target."""
    image_tables: bool
    """Whether an image may list its host platforms."""
    host_words: tuple[str, ...] | None
    """A target with none of these words in its triple uses the host's cargo; None if that is not known."""
    strict: bool
    """Whether warnings are failures in CI."""
    mixes_forms: bool
    """Whether its TOML parser accepts a table that is defined by both dotted keys and headers."""


_TEXT = Shape(says="a string", text=True)
_BOOLEAN = Shape(says="a boolean", boolean=True)
_TEXTS = Shape(says="an array of strings", texts=True)
_LINES = Shape(says="a string or an array of strings", text=True, texts=True)
_ENV = Shape(says="a table", keys={"volumes": _TEXTS, "passthrough": _TEXTS})
_DOCKERFILE = Shape(
    says="a string or a table",
    text=True,
    keys={"file": _TEXT, "context": _TEXT, "build-args": Shape(says="a table of strings", free=True)},
    required=("file",),
)
_IMAGE = Shape(
    says="a string or a table", text=True, keys={"name": _TEXT, "toolchain": _TEXTS}, required=("name", "toolchain")
)
_ZIG = Shape(
    says="a boolean, a string or a table",
    text=True,
    boolean=True,
    keys={"enable": _BOOLEAN, "version": _TEXT, "image": _IMAGE},
)
_BUILD_STD = Shape(says="a boolean or an array of strings", boolean=True, texts=True)


def _make_document(build: Mapping[str, Shape]) -> Shape:
    targets = Shape(says="a table of targets", keys={})
    return Shape(says="a table", keys={"build": Shape(says="a table", keys=build), "target": targets})


_RELEASE_KEYS = {
    "env": _ENV,
    "xargo": _BOOLEAN,
    "build-std": _BOOLEAN,
    "pre-build": _LINES,
    "dockerfile": _DOCKERFILE,
}
_MAIN_KEYS = {
    "env": _ENV,
    "build-std": _BUILD_STD,
    "zig": _ZIG,
    "pre-build": _LINES,
    "dockerfile": _DOCKERFILE,
}

RELEASE = Profile(
    name="0.2.5",
    says="cross 0.2.5",
    document=_make_document(_RELEASE_KEYS | {"default-target": _TEXT}),
    target=Shape(says="a table", keys=_RELEASE_KEYS | {"image": _TEXT, "runner": _TEXT}),
    image_tables=False,
    host_words=(
        "linux", "android", "thumb", "bsd", "dragonfly", "solaris", "illumos", "windows", "emscripten", "apple",
    ),
    strict=False,
    mixes_forms=False,
)  # fmt: skip
MAIN = Profile(
    name="main",
    says="cross's main branch",
    document=_make_document(_MAIN_KEYS | {"default-target": _TEXT}),
    target=Shape(says="a table", keys=_MAIN_KEYS | {"image": _IMAGE, "runner": _TEXT}),
    image_tables=True,
    host_words=None,
    strict=True,
    mixes_forms=True,
)
PROFILES: dict[str, Profile] = {profile.name: profile for profile in (RELEASE, MAIN)}


def guess_profile(data: Mapping[str, Any]) -> Profile:
    """Return the version that a file is written for.

    It is main if the file uses features that only main has, else the release, whose form of an image main reads as
    well.
    """
    tables = [data.get("build"), *_tables(data.get("target"))]
    for table in tables:
        if not isinstance(table, dict):
            continue
        if "zig" in table or isinstance(table.get("build-std"), list) or isinstance(table.get("image"), dict):
            return MAIN
    return RELEASE


def knows(shape: Shape, path: tuple[str, ...]) -> bool:
    """Return whether the shape has a key at that path."""
    for key in path:
        if shape.keys is None or key not in shape.keys:
            return False
        shape = shape.keys[key]
    return True


def _tables(value: object) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else []
