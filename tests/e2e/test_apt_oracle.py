"""Real apt as the oracle: for the same archive state, the same system and the same request, both choose the same.

For either architecture, whatever machine this is. The host's apt answers here; test_platforms asks that of images.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagefab.factory import design_blueprints
from imagefab.lock.model import LayerLock, PackagePin
from imagefab.oci.store import Store
from imagefab.platforms import AMD64, ARM64, HostPlatform
from imagefab.progress import SilentProgress
from imagefab.recipe.loader import list_recipes, load_recipes
from imagefab.recipe.model import Archive
from imagefab.recipe.project import open_project
from imagefab.sources.debian.archive import ArchiveReader
from imagefab.sources.debian.control import parse_stanza
from imagefab.sources.debian.resolve import resolve
from imagefab.sources.fetch import Fetcher
from imagefab.sources.mirrors import find_mirrors
from imagefab.toolchains.blueprint import Blueprint, LayerSpec
from tests.e2e.support.apt import Chosen, Oracle
from tests.e2e.conftest import ROOT
from tests.machine import require

pytestmark = pytest.mark.archive

TRIXIE = (
    Archive(name="trixie", archive="debian", suite="trixie"),
    Archive(name="trixie-updates", archive="debian", suite="trixie-updates"),
    Archive(name="trixie-security", archive="debian-security", suite="trixie-security"),
)
BASE = ("apt", "ca-certificates")
TOOLS = ("gcc", "g++", "libc6-dev", "make", "cmake", "ninja-build", "pkg-config", "perl", "file")


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    require(shutil.which("apt-get") is not None, "apt-get")
    folder = tmp_path_factory.mktemp("oracle")
    store = Store(folder / "store")
    with Fetcher(store=store, mirrors=find_mirrors(), progress=SilentProgress()) as fetcher:
        yield Oracle(folder / "apt", fetcher, ArchiveReader(fetcher, now=datetime.now(UTC)))
    store.close()


def check(oracle: Oracle, blueprint: Blueprint) -> None:
    """Every layer of a blueprint, each on top of those below it as imagefab chose them."""
    foreign = dict.fromkeys(name for layer in blueprint.layers for name in layer.architectures)
    universe = oracle.reader.open_universe(blueprint.archives, (blueprint.platform.debian_arch, *foreign))
    installed: list[PackagePin] = []
    architectures: list[str] = []
    for number, (spec, ours) in enumerate(zip(blueprint.layers, resolve(blueprint, universe), strict=True)):
        architectures += spec.architectures
        view = universe.restrict(architectures)
        request = (*view.essential_packages(), *spec.packages) if number == 0 else spec.packages
        # Lower layers are the same in many recipes; apt is asked once.
        question = (view.architectures, tuple(installed), tuple(request))
        if question not in oracle.answers:
            oracle.answers[question] = oracle.choose(view, blueprint.archives, installed, request)
        assert _triples(ours) == oracle.answers[question], f"layer {spec.name}"
        installed += ours.packages


def _triples(layer: LayerLock) -> Chosen:
    return {(pin.name, pin.architecture, pin.version) for pin in layer.packages}


def make_blueprint(platform: HostPlatform, *requests: str) -> Blueprint:
    """Layers of packages; `+arch` adds a foreign architecture."""
    layers = [
        LayerSpec(
            name=f"layer-{number}",
            comment="",
            packages=tuple(word for word in request.split() if not word.startswith("+")),
            architectures=tuple(word[1:] for word in request.split() if word.startswith("+")),
        )
        for number, request in enumerate((" ".join(BASE), " ".join(TOOLS), *requests))
    ]
    return Blueprint(
        recipe="r", target="t", platform=platform, archives=TRIXIE, layers=tuple(layers), env=(), labels=()
    )


@pytest.mark.parametrize(
    ("platform", "requests"),
    [
        (AMD64, ["g++-aarch64-linux-gnu", "+arm64 musl-dev:arm64 libssl-dev:arm64"]),
        (ARM64, ["g++-x86-64-linux-gnu", "+amd64 musl-dev:amd64 libssl-dev:amd64"]),
        (AMD64, ["g++-riscv64-linux-gnu g++-arm-linux-gnueabihf", "+riscv64 musl-dev:riscv64"]),
        (ARM64, ["g++-riscv64-linux-gnu", "+riscv64 musl-dev:riscv64", "+armhf musl-dev:armhf"]),
        (AMD64, ["clang-19 lld-19 llvm-19", "gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix", "wine64"]),
        (ARM64, ["gcc-arm-none-eabi libnewlib-arm-none-eabi", "qemu-system-arm qemu-user-static"]),
        (AMD64, ["python3-dev:arm64 +arm64 zlib1g-dev:arm64 libc6-dev:arm64 libstdc++-14-dev:arm64"]),
        # Nothing but apt's own numbering decides between the providers that these need.
        (AMD64, ["php8.4-msgpack", "librust-opaque-debug-dev javahelper", "qemu-system-modules-spice"]),
        (ARM64, ["default-jre-headless emacs-nox", "texlive-latex-base", "git-all apache2"]),
    ],
    ids=lambda value: value.name if isinstance(value, HostPlatform) else " / ".join(value),
)
def test_requests_like_those_of_recipes(oracle: Oracle, platform: HostPlatform, requests: list[str]) -> None:
    check(oracle, make_blueprint(platform, *requests))


@pytest.mark.parametrize("name", list_recipes(open_project(ROOT)))
def test_shipped_recipes(oracle: Oracle, name: str) -> None:
    from imagefab.toolchains.design import RULES

    (recipe,) = load_recipes(open_project(ROOT), RULES, [name])
    for blueprint in design_blueprints(recipe):
        check(oracle, blueprint)


def test_versions_compare_as_dpkg_compares_them(oracle: Oracle) -> None:
    from imagefab.sources.debian.version import version_key

    require(shutil.which("dpkg") is not None, "dpkg")
    versions = sorted({version for _, _, version in oracle.stanzas(TRIXIE[0], "amd64")})
    odd = [
        "0",
        "0~",
        "1.",
        "1.0",
        "1.0-0",
        "1.0a",
        "1.0+",
        "1.0~~",
        "1.0~~a",
        "0:1.0",
        "1:0",
        "1.01",
        "1.0.a-1",
    ]
    for one, other in [
        *zip(versions[::600], versions[1::600], strict=False),
        *zip(odd, odd[1:] + odd[:1], strict=True),
    ]:
        for operator, expected in (
            ("lt", version_key(one) < version_key(other)),
            ("eq", version_key(one) == version_key(other)),
        ):
            found = subprocess.run(
                ["dpkg", "--compare-versions", one, operator, other], check=False, capture_output=True
            )
            assert (found.returncode == 0) is expected, (one, operator, other)


def test_control_fields_as_dpkg_reads_them(oracle: Oracle, tmp_path: Path) -> None:
    """One real package, read by both."""
    from imagefab.sources.debian.deb import extract_member, iter_data, read_control
    from imagefab.sources.fetch import package_download

    require(shutil.which("dpkg-deb") is not None, "dpkg-deb")
    universe = oracle.reader.open_universe(TRIXIE, ("amd64",))
    package = universe.versions("hostname", "amd64")[0]
    archives = {pin.name: pin for pin in universe.pins}
    store = oracle.fetcher.store
    oracle.fetcher.fetch_blobs([package_download(oracle.fetcher.mirrors, archives, package.pin())], label="one")
    path = store.blob_path(package.sha256)
    told = subprocess.run(["dpkg-deb", "--field", path], check=True, capture_output=True, text=True).stdout
    assert read_control(path) == parse_stanza(told.strip("\n"))
    subprocess.run(["dpkg-deb", "--extract", path, tmp_path], check=True)
    for member, content in iter_data(path):
        if content is not None:
            assert content.read() == (tmp_path / member.name).read_bytes()
    assert extract_member(path, "usr/bin/hostname") == (tmp_path / "usr/bin/hostname").read_bytes()
