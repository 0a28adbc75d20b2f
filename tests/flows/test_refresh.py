"""Which host platforms a refresh builds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from imagefab.digest import Digest
from imagefab.flows.move import choose_refreshed
from imagefab.flows.prepare import Prepared, prepare_recipe
from imagefab.platforms import AMD64, ARM64, machine_platform
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import find_shipped_project
from imagefab.records.checked import Checked
from imagefab.records.published import Published
from imagefab.toolchains.design import RULES

BOTH = ("linux/amd64", "linux/arm64")


@pytest.fixture
def prepared() -> Prepared:
    project = find_shipped_project()
    (recipe,) = load_recipes(project, RULES, ["aarch64-gnu"])
    assert recipe.platforms == BOTH
    return prepare_recipe(project, recipe)


def published(*platforms: object) -> Published:
    given = tuple(one for one in (AMD64, ARM64) if one in platforms)
    digest = Digest.of_bytes(b"")
    return Published(
        name="ghcr.io/acme/x", digest=digest, platforms=given, tag="t", images=(), when=datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_what_is_published_for_the_first_time_is_for_all(prepared: Prepared) -> None:
    """Somebody may have published it, and not have recorded it yet: it loses nothing."""
    assert choose_refreshed(prepared.recipe, None, {}, publishes=True) == BOTH
    assert choose_refreshed(prepared.recipe, None, {"linux/amd64": CHECKED}, publishes=True) == BOTH


def test_platforms_that_were_published_stay(prepared: Prepared) -> None:
    for one in (AMD64, ARM64):
        for publishes in (True, False):
            assert choose_refreshed(prepared.recipe, published(one), {}, publishes=publishes) == (one.name,)
    assert choose_refreshed(prepared.recipe, published(AMD64, ARM64), {"linux/amd64": CHECKED}, publishes=False) == BOTH


def test_what_was_checked_is_checked(prepared: Prepared) -> None:
    assert choose_refreshed(prepared.recipe, None, {"linux/arm64": CHECKED}, publishes=False) == ("linux/arm64",)
    assert choose_refreshed(prepared.recipe, None, {}, publishes=False) == (machine_platform().name,)


CHECKED = Checked(
    plan=Digest.of_bytes(b"plan"),
    manifest=Digest.of_bytes(b"manifest"),
    size=1,
    passed=("c",),
    failed=(),
    skipped=(),
    facts={},
)
