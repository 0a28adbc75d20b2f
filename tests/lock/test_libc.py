"""The version of the C library that a lock pins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.sample_recipe import make_lock, make_recipe, pin

from imagefab.errors import OptionError
from imagefab.flows.prepare import design_blueprints
from imagefab.lock.libc import check_claim, find_libc
from imagefab.lock.model import Lock
from imagefab.recipe.target import TARGETS

GNU, MUSL = TARGETS["aarch64-unknown-linux-gnu"], TARGETS["aarch64-unknown-linux-musl"]


def lock_with(name: str, version: str) -> Lock:
    """A lock in whose second platform, and second layer, that package is."""
    recipe = make_recipe()
    lock = make_lock(design_blueprints(recipe), recipe=recipe)
    first, second = lock.platforms
    layer = second.layers[1]
    layer = replace(layer, packages=(*layer.packages, replace(pin(name, "linux/arm64"), version=version)))
    return replace(lock, platforms=(first, replace(second, layers=(second.layers[0], layer, *second.layers[2:]))))


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("2.41-12+deb13u4", "2.41"),
        ("1:2.3.4-1", "2.3.4"),
        ("2.41", "2.41"),
        ("2.42~rc1-1", "2.42"),
        ("git-1", None),
        ("0.0~git20241209.574b88d-2", "20241209"),
    ],
)
def test_the_upstream_version(version: str, found: str | None) -> None:
    assert find_libc(lock_with("libc6", version), GNU) == ("glibc", found)


@pytest.mark.parametrize("name", ["libc6:arm64", "libc6-arm64-cross:all", "libc6:amd64"])
def test_the_library_that_is_linked_is_the_targets(name: str) -> None:
    assert find_libc(lock_with(name, "2.31-13"), GNU)[1] == (None if name == "libc6:amd64" else "2.31")


def test_the_newest_counts() -> None:
    lock = lock_with("libc6:arm64", "2.4-1")
    first, second = lock.platforms
    newer = replace(pin("libc6-arm64-cross:all", "linux/amd64"), version="2.31-9cross4")
    layer = replace(first.layers[0], packages=(newer,))
    lock = replace(lock, platforms=(replace(first, layers=(layer, *first.layers[1:])), second))
    assert find_libc(lock, GNU) == ("glibc", "2.31")


@pytest.mark.parametrize(
    ("claim", "good"), [("2.36", True), ("2.41", True), ("2.31", False), ("2.4", False), ("", True)]
)
def test_claims_are_checked(claim: str, good: bool) -> None:
    blueprints = design_blueprints(make_recipe(options=(("glibc", claim),)))
    lock = lock_with("libc6", "2.36-9+deb12u14")
    if good:
        check_claim(lock, blueprints)
        return
    with pytest.raises(OptionError, match=rf"claims glibc {claim}, but what it links may need 2\.36") as caught:
        check_claim(lock, blueprints)
    assert caught.value.option == "glibc"
    assert "trixie has glibc 2.36" in (caught.value.hint or "")


def test_each_library_has_its_own_package() -> None:
    lock = lock_with("musl-dev", "1.2.5-3")
    assert find_libc(lock, GNU) == ("glibc", None)
    assert find_libc(lock, MUSL) == ("musl", "1.2.5")
    assert find_libc(None, MUSL) == ("musl", None)
