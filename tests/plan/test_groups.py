"""Packages by layers: by source package, and one package's version moves nothing but its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagefab.debian.pin import PackagePin
from imagefab.digest import Digest
from imagefab.flows.prepare import prepare_recipe
from imagefab.plan.groups import OFTEN, SELDOM, group_packages
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import find_shipped_project
from imagefab.toolchains.design import RULES

MOST = 40


def pin(name: str, source: str, size: int, architecture: str = "amd64") -> PackagePin:
    path = f"pool/main/{source[0]}/{source}/{name}_1_{architecture}.deb"
    return PackagePin(
        name=name,
        version="1",
        architecture=architecture,
        archive="trixie",
        path=path,
        size=size,
        sha256=Digest.of_bytes(path.encode()),
    )


PINS = [
    pin("libssl3", "openssl", 700_000),
    pin("libssl3", "openssl", 700_000, "arm64"),
    pin("gcc-14", "gcc-14", 13_000_000),
    pin("bash", "bash", 1_000_000),
    pin("expat", "expat", 1_000),
]


def test_what_is_large_or_updated_often_is_by_itself() -> None:
    assert {group.name: group.packages for group in group_packages(PINS, base=True)} == {
        SELDOM: ("bash:amd64",),
        "gcc-14": ("gcc-14:amd64",),
        OFTEN: ("expat:amd64",),
        "openssl": ("libssl3:amd64", "libssl3:arm64"),
    }
    assert [group.name for group in group_packages(PINS, base=False)] == [SELDOM, "gcc-14", OFTEN]
    assert group_packages([], base=True) == ()


def test_of_too_many_none_is_by_itself() -> None:
    many = [pin(f"p{number}", f"s{number}", 20_000_000) for number in range(100)]
    assert [group.name for group in group_packages([*many, *PINS], base=True)] == [SELDOM, OFTEN]


def test_another_version_moves_nothing() -> None:
    other = [replace(one, version="2", size=one.size + 7, path=one.path.replace("_1_", "_2_")) for one in PINS]
    assert group_packages(list(reversed(other)), base=True) == group_packages(PINS, base=True)


def test_no_image_has_more_layers_than_overlays_take(subtests: pytest.Subtests) -> None:
    project = find_shipped_project()
    for recipe in load_recipes(project, RULES):
        with subtests.test(recipe.name):
            for plan in prepare_recipe(project, recipe).plans:
                assert sum(len(layer.part_names) for layer in plan.layers) <= MOST
