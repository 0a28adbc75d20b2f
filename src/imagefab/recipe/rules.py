"""What a kind of toolchain lets a recipe say. Each kind declares its rules; the loader and the schema hold to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from imagefab.recipe.model import Recipe
from imagefab.recipe.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRule:
    """One key of a recipe's `[options]` table."""

    name: str
    type: type[str] | type[int] | type[bool]
    description: str
    default: str | int | bool
    choices: tuple[str, ...] = ()
    """For text: the only values allowed, when not empty."""
    pattern: str = ""
    """For text: a regular expression that a value must match, when not empty; anchor it with ^ and $."""
    is_file: bool = False
    """For text: the path of a file that the user has; the kind gets it absolute."""
    is_url: bool = False
    """For text: where something is fetched from."""
    minimum: int | None = None
    """For integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRules:
    name: str
    summary: str
    accepts: Callable[[Target], str | None]
    """None when the kind can make images for the target, else the reason why not."""
    runners: Callable[[Target], tuple[str, ...]] = lambda target: ("auto", "none")
    """What may run the target's programs. Any kind goes with any runner: the design fills it in."""
    options: tuple[OptionRule, ...] = ()
    exclusive: tuple[str, ...] = ()
    """Options that exclude each other."""
    together: tuple[str, ...] = ()
    """Options of which none is there without the others."""
    layer_names: Callable[[Recipe], Iterable[str]] = lambda recipe: ()
    """What the layers of an image are called that no base gives its name to."""
