"""What a kind of toolchain allows in a recipe. Each kind declares its rules, which the loader and the schema apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from imagefab.recipe.model import Recipe
from imagefab.recipe.target import Target

Value = str | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionFault:
    """A problem with an option that is valid by itself."""

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
    """For text: the only values allowed, if not empty."""
    pattern: str = ""
    """For text: a regular expression that a value must match, if not empty; anchor it with ^ and $."""
    is_file: bool = False
    """For text: it is the path of a local file; the kind gets an absolute one."""
    is_url: bool = False
    """For text: it is a URL to fetch from."""
    minimum: int | None = None
    """For integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRules:
    name: str
    summary: str
    accepts: Callable[[Target], str | None]
    """The reason why the kind can't make images for the target; None if it can."""
    refuses: Callable[[Recipe], str | None] = lambda recipe: None
    """The reason why the kind can't make images for the target on the recipe's base; None if it can."""
    runners: Callable[[Target], tuple[str, ...]] = lambda target: ("auto", "none")
    """What may run the target's programs. Any kind goes with any runner: the design fills it in."""
    options: tuple[OptionRule, ...] = ()
    exclusive: tuple[str, ...] = ()
    """Mutually exclusive options."""
    together: tuple[str, ...] = ()
    """Options that must be given together."""
    defaults: Callable[[Target], Mapping[str, Value]] = lambda target: {}
    """Defaults for the target that differ from the options' own rules."""
    find_faults: Callable[[Target, Mapping[str, Value]], Iterable[OptionFault]] = lambda target, chosen: ()
    """Problems with a recipe's options that depend on its target or on other options. A schema can't express them."""
    layer_names: Callable[[Recipe], Iterable[str]] = lambda recipe: ()
    """The names of an image's layers that are not named after a base."""

    def list_defaults(self, target: Target | None) -> dict[str, Value]:
        """Return the options that apply if a recipe chooses none."""
        return {rule.name: rule.default for rule in self.options} | (dict(self.defaults(target)) if target else {})
