"""The C library that a lock pins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.plan.builders import make_lock, make_recipe, pin

from imagefab.factory import design_blueprints
from imagefab.lock.libc import find_libc
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
    [("2.41-12+deb13u4", "2.41"), ("1:2.3.4-1", "2.3.4"), ("2.41", "2.41"), ("2.42~rc1-1", "2.42"), ("git-1", None)],
)
def test_the_upstream_version(version: str, found: str | None) -> None:
    assert find_libc(lock_with("libc6", version), GNU) == ("glibc", found)


def test_each_library_has_its_own_package() -> None:
    lock = lock_with("musl-dev", "1.2.5-3")
    assert find_libc(lock, GNU) == ("glibc", None)
    assert find_libc(lock, MUSL) == ("musl", "1.2.5")
    assert find_libc(None, MUSL) == ("musl", None)
