"""Everything that can go wrong for a user, as a small class hierarchy.

Every error says where (a position, if there is one), what, and what to do (a hint). The exit codes are part of the
command line's contract; scripts rely on them. Anything that is not an ImagefabError is a bug, and ends in a traceback
and exit code 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file that a person wrote, one-based as editors count."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


class ImagefabError(Exception):
    """A problem that the user can do something about."""

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, *, position: Position | None = None, hint: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.position = position
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.position}: {self.problem}" if self.position else self.problem


class UsageError(ImagefabError):
    exit_code = 2


class RecipeError(ImagefabError):
    exit_code = 3


class ConfigError(ImagefabError):
    """A problem with a user's file that another program reads: Cross.toml, .cargo/config.toml."""

    exit_code = 3


class PackageError(RecipeError):
    """A package that a recipe asks for is not available."""

    def __init__(self, problem: str, *, package: str, hint: str | None = None) -> None:
        super().__init__(problem, hint=hint)
        self.package = package
        """`name` or `name:architecture` as requested; `:architecture` for all packages of that architecture."""


class OptionError(RecipeError):
    """A recipe's `[options]`, or another of its keys, promise something that can't be kept."""

    def __init__(self, problem: str, *, option: str, hint: str | None = None) -> None:
        super().__init__(problem, hint=hint)
        self.option = option


class OwnFileError(RecipeError):
    """A file that the user provides is missing, or is not the expected one."""

    def __init__(self, problem: str, *, path: str, hint: str | None = None) -> None:
        super().__init__(problem, hint=hint)
        self.path = path


class StaleError(ImagefabError):
    """A lock or a generated file does not match what it was made from."""

    exit_code = 4


class EngineError(ImagefabError):
    exit_code = 5


class FetchError(ImagefabError):
    """A problem with the network, a registry or an archive."""

    exit_code = 6


class MismatchError(ImagefabError):
    """A digest that should be equal is not."""

    exit_code = 7


class CheckError(ImagefabError):
    exit_code = 8


class SeveralErrors(ImagefabError):
    """All problems found in one run, each reported once; the first one decides the exit code."""

    def __init__(self, errors: Iterable[ImagefabError]) -> None:
        self.errors: tuple[ImagefabError, ...] = tuple(_list_distinct(errors))
        super().__init__("\n".join(str(error) for error in self.errors))
        self.exit_code = self.errors[0].exit_code  # type: ignore[misc]


def list_errors(error: ImagefabError) -> tuple[ImagefabError, ...]:
    return error.errors if isinstance(error, SeveralErrors) else (error,)


def raise_all(errors: Sequence[ImagefabError]) -> None:
    """Raise the collected errors, if any: a single one as it is, several together."""
    distinct = _list_distinct(errors)
    if distinct:
        raise distinct[0] if len(distinct) == 1 else SeveralErrors(distinct)


def _list_distinct(errors: Iterable[ImagefabError]) -> list[ImagefabError]:
    """Return single, distinct errors: concurrent work on one store and one engine often fails for one reason."""
    single = (one for error in errors for one in list_errors(error))
    return list({(type(one), str(one), one.hint): one for one in single}.values())
