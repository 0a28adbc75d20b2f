"""Real apt as the oracle: for the same archive state, the same system and the same request, both choose the same.

For either architecture, whatever machine this is. The host's apt answers here; in test_apt_in_images, an image's own.
`make prove` asks it more, and about every recipe.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagefab.debian.control import parse_stanza
from imagefab.platforms import AMD64, ARM64, HostPlatform
from imagefab.recipe.model import Archive
from imagefab.toolchains.blueprint import Blueprint, LayerSpec
from tests.e2e.support.apt import Oracle, open_oracle
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
    with open_oracle(tmp_path_factory.mktemp("oracle")) as made:
        yield made


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


REQUESTS = [
    # Nothing but apt's own numbering decides between the providers that these need.
    (AMD64, ["php8.4-msgpack", "librust-opaque-debug-dev javahelper", "qemu-system-modules-spice"]),
]
MORE_REQUESTS = [
    (ARM64, ["g++-riscv64-linux-gnu", "+riscv64 musl-dev:riscv64", "+armhf musl-dev:armhf"]),
    (AMD64, ["g++-aarch64-linux-gnu", "+arm64 musl-dev:arm64 libssl-dev:arm64"]),
    (ARM64, ["g++-x86-64-linux-gnu", "+amd64 musl-dev:amd64 libssl-dev:amd64"]),
    (AMD64, ["g++-riscv64-linux-gnu g++-arm-linux-gnueabihf", "+riscv64 musl-dev:riscv64"]),
    (AMD64, ["clang-19 lld-19 llvm-19", "gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix", "wine64"]),
    (ARM64, ["gcc-arm-none-eabi libnewlib-arm-none-eabi", "qemu-system-arm qemu-user-static"]),
    (AMD64, ["python3-dev:arm64 +arm64 zlib1g-dev:arm64 libc6-dev:arm64 libstdc++-14-dev:arm64"]),
    (ARM64, ["default-jre-headless emacs-nox", "texlive-latex-base", "git-all apache2"]),
]


@pytest.mark.parametrize(
    ("platform", "requests"),
    [*REQUESTS, *(pytest.param(*case, marks=pytest.mark.prove) for case in MORE_REQUESTS)],
    ids=lambda value: value.name if isinstance(value, HostPlatform) else " / ".join(value),
)
def test_requests_like_those_of_recipes(oracle: Oracle, platform: HostPlatform, requests: list[str]) -> None:
    oracle.compare(make_blueprint(platform, *requests))


def test_versions_compare_as_dpkg_compares_them(oracle: Oracle) -> None:
    from imagefab.debian.version import version_key

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
    from imagefab.debian.deb import extract_member, iter_data, read_control
    from imagefab.debian.pool import package_download

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
