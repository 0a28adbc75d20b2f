"""Errors that are raised together."""

from __future__ import annotations

import pytest

from imagefab.errors import EngineError, ImagefabError, Position, RecipeError, SeveralErrors, UsageError, raise_all


def collect(*errors: ImagefabError) -> ImagefabError | None:
    try:
        raise_all(errors)
    except ImagefabError as error:
        return error
    return None


def test_none_one_and_several() -> None:
    assert collect() is None
    one = UsageError("x")
    assert collect(one) is one
    several = collect(one, RecipeError("y"))
    assert isinstance(several, SeveralErrors)
    assert [error.problem for error in several.errors] == ["x", "y"]
    assert several.exit_code == 2


def test_the_same_is_said_once() -> None:
    found = collect(*(EngineError("no engine works here", hint="get one") for _ in range(5)))
    assert isinstance(found, EngineError)
    assert found.hint == "get one"


@pytest.mark.parametrize(
    "other",
    [EngineError("x"), EngineError("y", hint="h"), EngineError("x", hint="i"), UsageError("x", hint="h"),
     EngineError("x", hint="h", position=Position("file"))],
)  # fmt: skip
def test_what_differs_is_said(other: ImagefabError) -> None:
    found = collect(EngineError("x", hint="h"), other)
    assert isinstance(found, SeveralErrors)
    assert len(found.errors) == 2


def test_several_in_several_are_single_ones() -> None:
    inner = SeveralErrors([UsageError("a"), UsageError("b")])
    outer = SeveralErrors([inner, UsageError("b"), UsageError("c")])
    assert [error.problem for error in outer.errors] == ["a", "b", "c"]
