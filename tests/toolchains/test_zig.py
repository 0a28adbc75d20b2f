"""Kind zig: processors, C libraries and what programs need to run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.sample_recipe import make_recipe

from imagefab.platforms import AMD64, HostPlatform
from imagefab.recipe.model import Additions
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.blueprint import Blueprint
from imagefab.toolchains.design import RULES, design_image

PLAIN = make_recipe(
    target=TARGETS["aarch64-unknown-linux-gnu"],
    kind="zig",
    additions=Additions(),
    options=tuple((rule.name, rule.default) for rule in RULES["zig"].options),
)


def design(triple: str, platform: HostPlatform = AMD64, **options: str | bool) -> Blueprint:
    chosen = tuple((dict(PLAIN.options) | options).items())
    return design_image(replace(PLAIN, target=TARGETS[triple], options=chosen), platform)


def read_command(triple: str) -> str:
    """How the image's compiler calls Zig."""
    files = {file.path: file.content.decode() for layer in design(triple).layers for file in layer.files}
    return files["/usr/local/bin/zig-cc"].splitlines()[-1]


@pytest.mark.parametrize(
    ("triple", "options"),
    [
        ("arm-unknown-linux-musleabihf", "-target arm-linux-musleabihf -mcpu=generic+v6+vfp2+strict_align"),
        ("arm-unknown-linux-musleabi", "-target arm-linux-musleabi -mcpu=generic+v6+strict_align"),
        ("arm-unknown-linux-gnueabihf", "-target arm-linux-gnueabihf.2.17 -mcpu=generic+v6+vfp2+strict_align"),
        ("arm-unknown-linux-gnueabi", "-target arm-linux-gnueabi.2.17 -mcpu=generic+v6+strict_align"),
        ("armv7-unknown-linux-musleabihf", "-target arm-linux-musleabihf -mcpu=generic+v7a+vfp3d16-neon"),
        ("aarch64-unknown-linux-musl", "-target aarch64-linux-musl"),
        ("thumbv7neon-unknown-linux-gnueabihf", "-target arm-linux-gnueabihf.2.17 -mcpu=generic+v7a+vfp3+neon"),
        ("i586-unknown-linux-musl", "-target x86-linux-musl -mcpu=pentium"),
        ("mips-unknown-linux-musl", "-target mips-linux-musleabi -mcpu=mips32r2+soft_float"),
        ("mips64el-unknown-linux-muslabi64", "-target mips64el-linux-muslabi64 -mcpu=mips64r2"),
        ("powerpc-unknown-linux-musl", "-target powerpc-linux-musleabihf"),
        ("x86_64-unknown-linux-gnux32", "-target x86_64-linux-gnux32.2.17"),
        ("x86_64-unknown-openbsd", "-target x86_64-openbsd"),
    ],
)
def test_processors_are_the_ones_of_rustc(triple: str, options: str) -> None:
    assert read_command(triple) == f'exec /opt/zig/zig cc {options} "$@"'


@pytest.mark.parametrize(
    ("triple", "glibc"),
    [
        ("x86_64-unknown-linux-gnu", "2.17"),
        ("aarch64-unknown-linux-gnu", "2.17"),
        ("powerpc64le-unknown-linux-gnu", "2.19"),
        ("riscv64gc-unknown-linux-gnu", "2.27"),
        ("riscv32gc-unknown-linux-gnu", "2.33"),
        ("aarch64_be-unknown-linux-gnu", "2.17"),
        ("loongarch64-unknown-linux-gnu", "2.36"),
    ],
)
def test_the_default_is_a_glibc_that_there_is(triple: str, glibc: str) -> None:
    rules, target = RULES["zig"], TARGETS[triple]
    assert rules.list_defaults(target)["glibc"] == glibc
    assert not [*rules.find_faults(target, {"glibc": glibc})]


@pytest.mark.parametrize("stem", ["mips", "mipsel", "powerpc", "powerpc64"])
def test_where_zig_has_no_glibc(stem: str) -> None:
    assert "no GNU C library" in (RULES["zig"].accepts(TARGETS[f"{stem}-unknown-linux-gnu"]) or "")


def test_zig_has_more_of_musl() -> None:
    assert RULES["zig"].accepts(TARGETS["powerpc64-unknown-linux-musl"]) is None


@pytest.mark.parametrize(
    ("triple", "architectures", "packages"),
    [
        ("aarch64-unknown-linux-gnu", ("arm64",), ("libc6-arm64-cross",)),
        ("aarch64-unknown-linux-musl", ("arm64",), ("musl:arm64",)),
        ("sparc64-unknown-linux-gnu", (), ("libc6-sparc64-cross",)),
        ("loongarch64-unknown-linux-gnu", (), ("libc6-loong64-cross",)),
        ("mips64el-unknown-linux-gnuabi64", (), ("libc6-mips64el-cross",)),
        ("loongarch64-unknown-linux-musl", None, None),
        ("x86_64-unknown-linux-gnu", None, None),
        ("x86_64-unknown-freebsd", None, None),
    ],
)
def test_what_programs_need_to_run(
    triple: str, architectures: tuple[str, ...] | None, packages: tuple[str, ...] | None
) -> None:
    found = [layer for layer in design(triple).layers if layer.name.startswith("zig-runs-")]
    assert [layer.architectures for layer in found] == ([] if architectures is None else [architectures])
    assert [layer.packages for layer in found] == ([] if packages is None else [packages])


@pytest.mark.parametrize(
    ("triple", "folders"),
    [
        ("aarch64-unknown-linux-gnu", "aarch64-linux-gnu generic-glibc aarch64-linux-any any-linux-any"),
        ("sparc64-unknown-linux-gnu", "sparc-linux-gnu generic-glibc sparc-linux-any any-linux-any"),
        ("mips64el-unknown-linux-gnuabi64", "mips-linux-gnu generic-glibc mips-linux-any any-linux-any"),
        ("loongarch64-unknown-linux-musl", "loongarch64-linux-musl generic-musl loongarch-linux-any any-linux-any"),
        ("mips64el-unknown-linux-muslabi64", "mips64-linux-musl generic-musl mips-linux-any any-linux-any"),
        ("aarch64_be-unknown-linux-gnu", "aarch64-linux-gnu generic-glibc aarch64-linux-any any-linux-any"),
        ("i586-unknown-linux-musl", "x86-linux-musl generic-musl x86-linux-any any-linux-any"),
        ("aarch64-unknown-openbsd", "aarch64-openbsd-none generic-openbsd"),
        ("powerpc64le-unknown-linux-musl", "powerpc64-linux-musl generic-musl powerpc-linux-any any-linux-any"),
    ],
)
def test_libclang_parses_the_headers_that_zig_compiles_with(triple: str, folders: str) -> None:
    found = dict(design(triple).env)[f"BINDGEN_EXTRA_CLANG_ARGS_{triple.replace('-', '_')}"]
    wanted = (f"-isystem/opt/zig/lib/libc/include/{folder}" for folder in folders.split())
    assert found == " ".join(("-nostdlibinc", *wanted))
