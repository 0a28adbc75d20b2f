"""Remarks on a Cross.toml: what a linter says, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagefab.toml.positions import Path


@dataclass(frozen=True, slots=True)
class Remark:
    path: Path
    text: str
    hint: str | None = None
    on_key: bool = False
    fatal: bool = False
    group: str | None = None
    """Remarks of one group say the same of several places; people read it once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What is known of an image that imagefab writes for a target."""

    recipe: str
    runners: Mapping[str, frozenset[str]]
    """The runners that the image has, by host platform; empty if there are none."""
