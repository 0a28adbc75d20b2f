"""What the linter says of mistakes that are in many a project's Cross.toml, and what it is silent about."""

from __future__ import annotations

import pytest

from imagefab.cross.debian_arch import CROSS_DEB_ARCH, find_debian_arch
from imagefab.cross.lint import check_cross_toml
from imagefab.cross.profile import MAIN, RELEASE
from imagefab.cross.remark import Ours, Remark
from imagefab.toml.edit import read_data

ARM, MUSL, ANDROID = "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "aarch64-linux-android"
GOOD = "dpkg --add-architecture $CROSS_DEB_ARCH"
SSL = "apt-get update && apt-get install --assume-yes libssl-dev:$CROSS_DEB_ARCH"


def check(text: str, *, main: bool = False, ours: tuple[str, ...] = ()) -> tuple[Remark, ...]:
    return check_cross_toml(
        read_data(text),
        MAIN if main else RELEASE,
        ours={triple: Ours(recipe="x", runners={}) for triple in ours},
    )


def pre_build(triple: str, *lines: str, image: str = "") -> str:
    listed = ",\n".join(f"  '''{line}'''" for line in lines)
    return f"[target.{triple}]\n{image}\npre-build = [\n{listed}\n]\n"


def find(text: str, part: str, *, main: bool = False) -> Remark:
    remarks = check(text, main=main)
    found = [remark for remark in remarks if part in remark.text]
    assert found, [remark.text for remark in remarks]
    return found[0]


MISTAKES = {
    "host library": (
        pre_build(ARM, "apt-get update && apt-get install -y libssl-dev pkg-config"),
        "`libssl-dev` is the host's: programs for aarch64-unknown-linux-gnu can't be linked with it",
        "`libssl-dev:$CROSS_DEB_ARCH`",
    ),
    "host library of old": (
        pre_build(ARM, "apt-get update", "apt-get --assume-yes install zlib1g-dev"),
        "`zlib1g-dev` is the host's",
        "dpkg --add-architecture",
    ),
    "glibc for musl": (
        pre_build(MUSL, "apt-get update && apt-get install -y libssl-dev"),
        "`libssl-dev` is linked against glibc: programs for x86_64-unknown-linux-musl can't be linked with it",
        "vendored",
    ),
    "linux for windows": (
        pre_build("x86_64-pc-windows-gnu", "apt-get update && apt-get install -y libssl-dev"),
        "`libssl-dev` is for Linux with glibc",
        "vendored",
    ),
    "variable of musl": (
        pre_build(MUSL, GOOD, SSL),
        "$CROSS_DEB_ARCH is `musl-linux-amd64` for x86_64-unknown-linux-musl, for which Debian has no packages",
        "under [target.TRIPLE]",
    ),
    "empty variable": (
        pre_build(ANDROID, "apt-get update", "apt-get install -y libssl-dev:${CROSS_DEB_ARCH}"),
        "$CROSS_DEB_ARCH is empty for aarch64-linux-android",
        "under [target.TRIPLE]",
    ),
    "variable with a default": (
        pre_build(ANDROID, "dpkg --add-architecture ${CROSS_DEB_ARCH:-arm64}"),
        "$CROSS_DEB_ARCH is empty for aarch64-linux-android",
        None,
    ),
    "architecture not added": (
        pre_build(ARM, "apt-get update && apt-get install -y libssl-dev:arm64"),
        "apt knows no packages of `arm64` here",
        "`dpkg --add-architecture arm64 && apt-get update`",
    ),
    "architecture added too late": (
        pre_build(ARM, "apt-get update && dpkg --add-architecture arm64 && apt-get install -y libssl-dev:arm64"),
        "the lists were not updated since it was added",
        "apt-get update",
    ),
    "no update": (
        pre_build(ARM, "apt-get install -y protobuf-compiler"),
        "nothing was updated before this",
        "apt-get update",
    ),
    "no yes": (
        pre_build(ARM, "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install protobuf-compiler"),
        "`apt-get` asks before it goes on",
        "`-y`",
    ),
    "apt without yes": (pre_build(ARM, "apt update", "apt install cmake"), "`apt` asks before it goes on", "`-y`"),
    "wrong architecture": (
        pre_build("armv7-unknown-linux-gnueabihf", "dpkg --add-architecture arm64", "apt-get update",
                  "apt-get install -y libssl-dev:arm64"),
        "`libssl-dev:arm64` is not for armv7-unknown-linux-gnueabihf, which is Debian's `armhf`",
        "libssl-dev:$CROSS_DEB_ARCH",
    ),
    "unnoticed failures": (
        pre_build(ARM, "apt-get update", "curl -f https://example.org | sh", "true"),
        "of several lines only the last one's failure stops cross",
        "`set -e`",
    ),
    "a command as a script": (
        f'[target.{ARM}]\npre-build = "apt-get update && apt-get install -y cmake"\n',
        "for the path of a script",
        "an array",
    ),
    "volume like Docker's": (
        f'[target.{ARM}.env]\nvolumes = ["/opt/sdk:/sdk"]\n',
        "cross 0.2.5 mounts nothing for `/opt/sdk:/sdk`",
        "NAME=/the/path",
    ),
    "volume of a variable's value": ('[build.env]\nvolumes = ["$HOME/.cache"]\n', "mounts nothing for", "NAME"),
    "volume without a path": ('[build.env]\nvolumes = ["SDK="]\n', "`SDK=` has no path", "SDK=/the/path"),
    "glob": ('[build.env]\npassthrough = ["CARGO_*"]\n', "`CARGO_*` is the name of no variable", "are passed anyway"),
    "other glob": ('[build.env]\npassthrough = ["MY_*"]\n', "`MY_*` is the name of no variable", "name each variable"),
    "runner passed through": (
        f'[target.{ARM}.env]\npassthrough = ["CROSS_RUNNER"]\n',
        "cross sets CROSS_RUNNER itself",
        '`runner = "…"`',
    ),
    "not a variable": ('[build.env]\npassthrough = ["MY-VAR"]\n', "`MY-VAR` is not a variable", "NAME=value"),
    "runner": (
        f'[target.{ARM}]\nrunner = "qemu"\n',
        "there is no runner `qemu`",
        "`native`, `qemu-user` or `qemu-system`",
    ),
    "old images": (
        f'[target.{ARM}]\nimage = "rustembedded/cross:{ARM}"\n',
        "is of 2021 or older",
        f"ghcr.io/cross-rs/{ARM}",
    ),
    "no such image": (
        '[target.aarch64-apple-darwin]\nimage = "ghcr.io/cross-rs/aarch64-apple-darwin-cross:local"\n',
        "there is no image `ghcr.io/cross-rs/aarch64-apple-darwin-cross:local`",
        "vendor's SDK",
    ),
    "a release's tag": (
        f'[target.{ARM}]\nimage = "ghcr.io/cross-rs/{ARM}:0.2.5"\n',
        "is a version, and stays only as long as nobody moves the tag",
        "pin it by digest",
    ),
    "a branch's tag": (
        f'[target.{ARM}]\nimage = "ghcr.io/cross-rs/{ARM}:main"\n',
        "can be another image tomorrow",
        "pin it by digest",
    ),
    "an image of this machine": (
        f'[target.{ARM}]\nimage = "my-arm-image:latest"\n',
        "names no registry: an image of this machine has no digest to pin",
        "publish it",
    ),
    "a variable as a key": (
        f'[target.{ARM}.env]\nOPENSSL_STATIC = "1"\n',
        "cross 0.2.5 does not know `OPENSSL_STATIC`",
        '`passthrough = ["OPENSSL_STATIC=value"]`',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    text, part, hint = MISTAKES[name]
    remark = find(text, part)
    assert not remark.fatal
    assert hint is None or hint in (remark.hint or "")


@pytest.mark.parametrize("name", MISTAKES)
def test_the_main_branch_reads_them_alike(name: str) -> None:
    text, part, _ = MISTAKES[name]
    find(text, part.replace("cross 0.2.5", "cross's main branch"), main=True)


FINE = {
    "as it should be": pre_build(ARM, f"{GOOD} && {SSL}"),
    "set -e": pre_build(ARM, "set -e", GOOD, "apt-get update", "apt-get install -qqy libssl-dev:${CROSS_DEB_ARCH}"),
    "joined lines": pre_build(ARM, f"{GOOD} &&", SSL),
    "tools": pre_build(ARM, "apt-get update && apt-get install -yq protobuf-compiler libclang-dev libprotobuf-dev"),
    "for both": pre_build(ARM, f"{GOOD} && apt-get update && apt-get install -y libssl-dev libssl-dev:$CROSS_DEB_ARCH"),
    "the host's target": pre_build("x86_64-unknown-linux-gnu", "apt-get update && apt-get install -y libssl-dev"),
    "tools for musl": pre_build(MUSL, "apt-get update && apt-get install -y cmake musl-tools"),
    "a package file": pre_build(ARM, "apt-get install -y ./tool.deb"),
    "a loop": pre_build(ARM, "for p in a b; do apt-get install -y $p; done"),
    "a script": f'[target.{ARM}]\npre-build = "scripts/pre-build.sh"\n',
    "quotes that don't end": pre_build(ARM, "echo 'it"),
    "variables": '[build.env]\npassthrough = ["RUST_LOG", "A=1 2"]\nvolumes = ["SDK", "SDK_DIR=/opt/sdk"]\n',
    "a runner": f'[target.{ARM}]\nrunner = "qemu-system"\n',
    "a runner of another image": f'[target.{ARM}]\nimage = "a.io/b/c@sha256:{"0" * 64}"\nrunner = "wine"\n',
    "not one text": f"[target.{ARM}]\npre-build = []\n",
}


@pytest.mark.parametrize("name", FINE)
def test_nothing_to_say(name: str) -> None:
    assert [remark.text for remark in check(FINE[name])] == []


def test_a_common_pre_build_is_for_all_that_have_none() -> None:
    text = f"[build]\npre-build = ['''{GOOD} && {SSL}''']\n[target.{ARM}]\n[target.{MUSL}]\n"
    (remark,) = check(text)
    assert remark.path == ("build", "pre-build", 0)
    assert MUSL in remark.text
    assert check(f"{text}pre-build = []\n") == ()


def test_images_of_others_may_have_the_architecture() -> None:
    install = "apt-get update && apt-get install -y libssl-dev:arm64"
    image = f'image = "a.io/b/c@sha256:{"0" * 64}"'
    assert check(pre_build(ARM, install, image=image)) == ()
    assert check(pre_build(ARM, install), ours=(ARM,)) == ()
    assert len(check(pre_build(ARM, install))) == 1


def test_one_remark_for_many_places() -> None:
    names = [f"ghcr.io/cross-rs/{triple}:main" for triple in (ARM, MUSL)]
    remarks = check("".join(f'[target.{n.rpartition("/")[2][:-5]}]\nimage = "{n}"\n' for n in names))
    assert len({remark.group for remark in remarks}) == 1
    assert len(remarks) == 2


def test_architectures() -> None:
    assert find_debian_arch("armv7-unknown-linux-gnueabihf") == "armhf"
    assert find_debian_arch("i586-unknown-linux-gnu") == "i386"
    assert find_debian_arch(MUSL) is None
    assert find_debian_arch("thumbv7em-none-eabihf") is None
    assert len(CROSS_DEB_ARCH) > 40
