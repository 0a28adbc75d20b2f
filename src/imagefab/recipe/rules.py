"""What a kind of toolchain lets a recipe say. Each kind declares its rules; the loader and the schema hold to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from imagefab.recipe.model import Recipe
from imagefab.recipe.target import Target

Value = str | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionFault:
    """What is wrong with an option that by itself could be as it is."""

    option: str
    problem: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRule:
    """One key of a recipe's `[options]` table."""

    name: str
    type: type[str] | type[int] | type[bool]
    description: str
    default: Value
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
    refuses: Callable[[Recipe], str | None] = lambda recipe: None
    """Why the kind can make no images for the target on the recipe's base; None where it can."""
    runners: Callable[[Target], tuple[str, ...]] = lambda target: ("auto", "none")
    """What may run the target's programs. Any kind goes with any runner: the design fills it in."""
    options: tuple[OptionRule, ...] = ()
    exclusive: tuple[str, ...] = ()
    """Options that exclude each other."""
    together: tuple[str, ...] = ()
    """Options of which none is there without the others."""
    defaults: Callable[[Target], Mapping[str, Value]] = lambda target: {}
    """The options that have another default for the target than their own rule says."""
    find_faults: Callable[[Target, Mapping[str, Value]], Iterable[OptionFault]] = lambda target, chosen: ()
    """What is wrong with the options that a recipe chooses, where its target or other options decide. A schema does not
    say it."""
    layer_names: Callable[[Recipe], Iterable[str]] = lambda recipe: ()
    """What the layers of an image are called that no base gives its name to."""

    def list_defaults(self, target: Target | None) -> dict[str, Value]:
        """What holds where a recipe chooses nothing."""
        return {rule.name: rule.default for rule in self.options} | (dict(self.defaults(target)) if target else {})
