"""Error texts, as scenario folders: a project that is wrong in some way, and expected.txt with all that is said of it.

`pytest --rewrite-golden` writes expected.txt anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from imagefab.errors import ImagefabError, RecipeError, SeveralErrors
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.recipe.rules import KindRules

GOLDEN = Path(__file__).parent.parent / "golden" / "recipe-errors"


def show(error: ImagefabError) -> str:
    hint = f"    hint: {error.hint}\n" if error.hint else ""
    return f"{error.position}: error: {error.problem}\n{hint}"


@pytest.mark.parametrize("case", sorted(path.name for path in GOLDEN.iterdir()))
def test_error_texts(case: str, rules: Mapping[str, KindRules], check_golden: Callable[[Path, str], None]) -> None:
    with pytest.raises(SeveralErrors) as caught:
        load_recipes(open_project(GOLDEN / case), rules)
    assert caught.value.exit_code == 3
    assert all(isinstance(error, RecipeError) for error in caught.value.errors)
    check_golden(GOLDEN / case / "expected.txt", "\n".join(show(error) for error in caught.value.errors))
