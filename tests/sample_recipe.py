"""A small recipe with something of everything in it, and locks that fit whatever a recipe asks for."""

from __future__ import annotations

from dataclasses import replace

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.digest import Digest
from imagefab.flows.prepare import Prepared, design_blueprints
from imagefab.lock.model import LayerLock, Lock, PlatformLock, SourcePin
from imagefab.lock.staleness import inputs_digest
from imagefab.plan.make import make_plan
from imagefab.plan.model import Plan
from imagefab.recipe.model import Additions, Archive, Base, FileSpec, Recipe, RunSpec, SourceSpec
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.blueprint import Blueprint, LayerSpec

EPOCH = 1_700_000_000

ROOT = Base(
    name="debian",
    description="a small Debian",
    archives=(Archive(name="trixie", archive="debian", suite="trixie"),),
    additions=Additions(host_packages=("apt",), files=(FileSpec(path="/etc/motd", content=b"hello\n"),)),
)
TOOLS = Base(name="tools", description="make & more", additions=Additions(host_packages=("make", "file")))

SMALL = Recipe(
    name="small",
    file="recipes/small.toml",
    description='an "image" for $5',
    target=TARGETS["aarch64-unknown-linux-gnu"],
    kind="gcc",
    runner="auto",
    platforms=("linux/amd64", "linux/arm64"),
    bases=(ROOT, TOOLS),
    additions=Additions(
        host_packages=("jq",),
        target_packages=("libssl-dev",),
        files=(FileSpec(path="/usr/local/bin/tool", content=b"#!/bin/sh\n", mode=0o755),),
        sources=(
            SourceSpec(name="zlib.tar.gz", url="https://example.org/z", sha256=Digest.of_bytes(b"zlib")),
            SourceSpec(name="other", url="https://example.org/o", sha256=Digest.of_bytes(b"other")),
        ),
        run=(
            RunSpec(name="build zlib", script='tar -xf "$SOURCES/zlib.tar.gz"\n\n# make it\nmake\n'),
            RunSpec(name="tidy up", script="rm -rf /root/x"),
        ),
        env=(
            ("QUOTES", "say \"hi\" and 'ho'"),
            ("DOLLARS", "$HOME ${NOTHING} $(id) `id`"),
            ("BACKSLASHES", "C:\\dir\\x"),
            ("EMPTY", ""),
            ("PLAIN", "a/b:c=1,2"),
        ),
    ),
)  # fmt: skip


def make_recipe(**changes: object) -> Recipe:
    return replace(SMALL, **changes)  # type: ignore[arg-type]


def add(recipe: Recipe, **changes: object) -> Recipe:
    """The recipe with other additions."""
    return replace(recipe, additions=replace(recipe.additions, **changes))  # type: ignore[arg-type]


def pin(package: str, platform: str) -> PackagePin:
    name, _, architecture = package.partition(":")
    architecture = architecture or platform.removeprefix("linux/")
    path = f"pool/main/{name}_1.0_{architecture}.deb"
    return PackagePin(
        name=name, version="1.0", architecture=architecture, archive="trixie", path=path,
        size=1000, sha256=Digest.of_bytes(path.encode()),
    )  # fmt: skip


def lock_layer(layer: LayerSpec, platform: str) -> LayerLock:
    return LayerLock(
        name=layer.name,
        packages=tuple(pin(package, platform) for package in sorted(layer.packages)),
        extracts=tuple(pin(package, platform) for package in layer.opened),
    )


def make_lock(blueprints: tuple[Blueprint, ...], *, recipe: Recipe = SMALL) -> Lock:
    """A lock with exactly the packages that are asked for, at version 1.0."""
    additions = [recipe.additions, *(base.additions for base in recipe.bases)]
    sources = [source for added in additions for source in added.sources]
    return Lock(
        recipe=recipe.name,
        inputs=inputs_digest(blueprints),
        epoch=EPOCH,
        archives=tuple(
            ArchivePin(
                name=a.name, archive=a.archive, suite=a.suite, components=a.components,
                date="20231114T221320Z", release=Digest.of_bytes(a.name.encode()),
            )
            for a in recipe.archives
        ),
        sources=tuple(
            SourcePin(name=source.name, sha256=source.sha256) for source in sources if isinstance(source, SourceSpec)
        ),
        platforms=tuple(
            PlatformLock(
                platform=blueprint.platform.name,
                layers=tuple(lock_layer(layer, blueprint.platform.name) for layer in blueprint.layers),
            )
            for blueprint in blueprints
        ),
    )  # fmt: skip


def make_plans(recipe: Recipe) -> tuple[Plan, ...]:
    blueprints = design_blueprints(recipe)
    lock = make_lock(blueprints, recipe=recipe)
    return tuple(make_plan(blueprint, lock) for blueprint in blueprints)


def prepare(name: str = "small") -> Prepared:
    """The recipe under another name, with all that a build of it needs."""
    recipe = make_recipe(name=name)
    blueprints = design_blueprints(recipe)
    lock = make_lock(blueprints, recipe=recipe)
    return Prepared(recipe=recipe, lock=lock, blueprints=blueprints)
