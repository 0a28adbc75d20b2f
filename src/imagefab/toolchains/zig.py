"""Kind zig: Zig's C compiler and linker, which includes every C library that it can build for, in every version.

So the GNU C library's version is a recipe's choice (`glibc`), independent of the base. Zig is a wheel from the Python
package index, pinned like all sources.

Build systems call `zig-cc`, which hides differences between Zig and GCC or clang:

- Zig accepts only its own triples, so options that name one (the cc crate adds them) are dropped.
- rustc links GCC's unwinder by its file name, and brings its own start files for musl; Zig has its own of both.
- Zig caches what it compiles, including C libraries. The cache is in cargo's target folder if there is one, which
  outlives the container. zig_cache.py describes how the image fills it ahead of time.

For Windows, Zig is the LLVM flavour: headers and import libraries from mingw-w64, Windows' own C library, and LLVM's
unwinder and C++ library, linked statically. rustc names mingw-w64 libraries that Zig links by default, and the
older C library, which Zig does not have. `zig-windres` translates windres' options for Zig's resource compiler.

With `preset = false` the image sets no compiler or linker: `zig` and `cargo-zigbuild` are on PATH, where cross's own
zig mode looks for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe, RunSpec, WheelSpec
from imagefab.recipe.rules import KindRules, OptionFault, OptionRule, Value
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import GLIBC_CLAIM, LayerSpec
from imagefab.toolchains.llvm import LIBCLANG_HEADERS
from imagefab.toolchains.runners.linux import is_native
from imagefab.toolchains.script import read_script
from imagefab.toolchains.toolchain import Kind, Toolchain
from imagefab.toolchains.zig_cache import ZIG, make_cache_layer

_ZIG_VERSION = "0.17.0"
_STEMS = {
    "armv5te": "arm", "armv7": "arm", "thumbv7neon": "arm", "i586": "x86", "i686": "x86",
    "riscv32gc": "riscv32", "riscv64gc": "riscv64",
}  # fmt: skip
_FAMILIES = {
    "arm": "arm", "x86": "x86", "x86_64": "x86", "aarch64_be": "aarch64", "loongarch64": "loongarch",
    "riscv32": "riscv", "riscv64": "riscv", "sparc64": "sparc", "powerpc64": "powerpc", "powerpc64le": "powerpc",
    "mipsel": "mips", "mips64": "mips", "mips64el": "mips",
}  # fmt: skip
"""The family name that Zig's header folders use for an architecture, by Zig's name for that."""
_MUSL_FAMILIES = {"powerpc64le": "powerpc64", "mipsel": "mips", "mips64el": "mips64", "aarch64_be": "aarch64"}
"""The same for musl's headers, which both byte orders share."""
_CPUS = {
    "armv7/hf": "generic+v7a+vfp3d16-neon",
    "armv7": "generic+v7a+soft_float-neon",
    "armv5te": "generic+v5te+soft_float+strict_align",
    "arm/hf": "generic+v6+vfp2+strict_align",
    "arm": "generic+v6+strict_align",
    "thumbv7neon/hf": "generic+v7a+vfp3+neon",
    "i586": "pentium",
    "hexagon": "hexagonv60",
    "mips": "mips32r2+soft_float",
    "mipsel": "mips32r2+soft_float",
    "mips64": "mips64r2",
    "mips64el": "mips64r2",
}
"""The oldest processor that rustc supports for a target, where Zig's default is another; by the triple's first part."""
_ENVIRONMENTS = {"mips": "musleabi", "mipsel": "musleabi", "powerpc": "musleabihf"}
"""Zig's name for the C library and its calling convention, where a triple only says `musl`."""

_NEWEST_GLIBC = "2.44"
"""In Zig 0.17; later versions of Zig may have newer ones."""
_OLDEST_GLIBC = "2.3"
_DEFAULT_GLIBC = "2.17"
_OLDEST_GLIBCS = {
    **dict.fromkeys(("arm", "armv5te", "armv7", "thumbv7neon"), "2.4"),
    **dict.fromkeys(("aarch64", "aarch64_be"), "2.17"),
    "powerpc64le": "2.19", "riscv64gc": "2.27", "riscv32gc": "2.33", "loongarch64": "2.36",
}  # fmt: skip
"""The first glibc that supports an architecture or its calling convention; by the triple's first part."""
_NO_GLIBC = ("mips", "mipsel", "mipsisa32r6", "mipsisa32r6el", "mipsisa64r6", "mipsisa64r6el",
             "powerpc", "powerpc64", "m68k")  # fmt: skip
"""Architectures for which Zig has no GNU C library under the target's name, or no compiler."""

_UNASKED = {
    "windows": "-lmsvcrt | -lmingw32 | -lmingwex | ",
    "freebsd": "-lkvm | -lmemstat | -lprocstat | -ldevstat | ",
}
"""Libraries that rustc names whether a program needs them or not, by system. Zig links those of Windows by itself, or
in a newer form. It does not have those of FreeBSD: a program that uses one fails to link because of missing symbols."""


def make_zig(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    options = dict(recipe.options)
    preset = bool(options["preset"])
    has_glibc = _has_glibc(target)
    name = _zig_target(target, str(options["glibc"]))
    return Toolchain(
        layers=(
            _zig_layer(str(options["version"])),
            *([] if preset else [_zigbuild_layer(str(options["zigbuild"]))]),
            *_libraries_layer(target, platform),
            _wrappers_layer(target, name),
            make_cache_layer(target, name, _name_compilers(target, name, preset=preset)),
        ),
        linker="zig-cc",
        cc="zig-cc",
        cxx="zig-c++",
        ar="zig-ar",
        prefix="zig-",
        sysroot=f"/usr/{target.gnu_triplet}" if has_glibc and not is_native(target, platform) else "/",
        pkg_config=f"/usr/lib/{_multiarch(target)}/pkgconfig",
        bindgen=tuple(_include(target)),
        preset=preset,
        labels=((GLIBC_CLAIM, str(options["glibc"])),) if preset and has_glibc else (),
        has_own_libc=True,
        cmake=(("CMAKE_RC_COMPILER", "zig-windres"),) if target.os == "windows" else (),
        env=(("CARGO_ZIGBUILD_ZIG_PATH", "/usr/local/bin/zig"),),
    )


def _zig_layer(version: str) -> LayerSpec:
    return LayerSpec(
        name=f"zig-{version}",
        comment=f"Zig {version}, with the C libraries that it carries",
        packages=("unzip",),
        files=(
            FileSpec(
                path="/usr/local/bin/zig",
                content=read_script("zig.sh", cache=read_script("zig-find-cache.sh"), zig=ZIG).encode(),
                mode=0o755,
            ),
        ),
        sources=(WheelSpec(name="ziglang.whl", project="ziglang", version=version),),
        run=(RunSpec(name="unpack Zig", script=read_script("zig-unpack.sh", zig=ZIG), sources=("ziglang.whl",)),),
    )


def _zigbuild_layer(version: str) -> LayerSpec:
    wheel = WheelSpec(name="cargo-zigbuild.whl", project="cargo-zigbuild", version=version)
    return LayerSpec(
        name=f"cargo-zigbuild-{version}",
        comment=f"cargo-zigbuild {version}",
        sources=(wheel,),
        run=(RunSpec(name="unpack cargo-zigbuild", script=read_script("zigbuild-unpack.sh"), sources=(wheel.name,)),),
    )


def _libraries_layer(target: Target, platform: HostPlatform) -> list[LayerSpec]:
    """Return layers with what programs need to run; Zig itself needs none of it.

    The GNU C library is available even for architectures that are not release architectures, because cross compilers
    need it. Programs that link musl the usual way need nothing.
    """
    arch = target.debian_arch
    if not arch or is_native(target, platform) or (target.is_musl and not target.debian_release_arch):
        return []
    libraries = (f"musl:{arch}",) if target.is_musl else (f"libc6-{arch}-cross",)
    return [
        LayerSpec(
            name=f"zig-runs-{target.crt}-{arch}",
            comment="the C library that programs run with here",
            architectures=(arch,) if target.debian_release_arch else (),
            packages=libraries,
        )
    ]


def _wrappers_layer(target: Target, name: str) -> LayerSpec:
    cpu = _CPUS.get(f"{target.stem}/hf" if target.is_hard_float else target.stem)
    windows = target.os == "windows"
    scripts = {
        tool: read_script(
            "zig-compiler.sh",
            triple=target.triple,
            cache=_read_cache(),
            unasked=_UNASKED.get(target.os, ""),
            tool=tool,
            zig=ZIG,
            target=name,
            cpu=f" -mcpu={cpu}" if cpu else "",
        )
        for tool in ("cc", "c++")
    }
    if windows:
        scripts["windres"] = read_script("zig-windres.sh", cache=_read_cache(), zig=ZIG, arch=target.stem)
        scripts["dlltool"] = read_script("zig-dlltool.sh", zig=ZIG)
    wrappers = tuple(
        FileSpec(path=f"/usr/local/bin/zig-{tool}", content=script.encode(), mode=0o755)
        for tool, script in scripts.items()
    )
    return LayerSpec(name=f"zig-{target.triple}", comment=f"Zig's compilers for {target.triple}", files=wrappers)


def _read_cache() -> str:
    """Return the lines with which a wrapper finds the caches."""
    return read_script("zig-find-cache.sh") + read_script("zig-local-cache.sh")


def _name_compilers(target: Target, name: str, *, preset: bool) -> dict[str, str]:
    """Return the compilers by language. cargo-zigbuild's target has no C library version unless a user asks for one."""
    if preset:
        return {"c": "zig-cc", "c++": "zig-c++"}
    plain = name.partition(".")[0]
    return {"c": f"zig cc -target {plain}", "c++": f"zig c++ -target {plain}"}


def _zig_target(target: Target, glibc: str) -> str:
    stem = _STEMS.get(target.stem, target.stem)
    if target.os == "windows":
        return f"{stem}-windows-gnu"
    if target.os != "linux":
        return f"{stem}-{target.os}"
    libc = target.triple.rsplit("-", 1)[-1]
    if target.is_musl:
        libc = _ENVIRONMENTS.get(stem, libc)
    return f"{stem}-linux-{libc}" + ("" if target.is_musl else f".{glibc}")


def _has_glibc(target: Target) -> bool:
    return target.os == "linux" and not target.is_musl


def _multiarch(target: Target) -> str:
    return (target.musl_triplet if target.is_musl else target.multiarch) or target.triple


def _include(target: Target) -> list[str]:
    """Return libclang's arguments for the headers that Zig compiles with."""
    stem = _STEMS.get(target.stem, target.stem)
    family = _FAMILIES.get(stem, stem)
    if target.is_musl:
        folders = [f"{_MUSL_FAMILIES.get(stem, stem)}-linux-musl", "generic-musl"]
    elif target.os == "linux":
        folders = [f"{family}-linux-gnu", "generic-glibc"]
    elif target.os == "windows":
        # bindgen passes on rustc's triple, whose environment clang does not know.
        return [
            f"--target={target.stem}-w64-windows-gnu",
            LIBCLANG_HEADERS,
            f"-isystem{ZIG}/lib/libc/include/any-windows-any",
        ]
    else:
        folders = [f"{family if target.os == 'freebsd' else stem}-{target.os}-none", f"generic-{target.os}"]
    if target.os == "linux":
        folders += [f"{family}-linux-any", "any-linux-any"]
    return ["-nostdlibinc", *(f"-isystem{ZIG}/lib/libc/include/{folder}" for folder in folders)]


def _accepts(target: Target) -> str | None:
    if _has_glibc(target) and target.stem in _NO_GLIBC:
        return f"Zig has no GNU C library for {target.gnu_triplet}; kind `gcc` is for it"
    if target.os in {"linux", "freebsd", "netbsd", "openbsd"} or target.triple.endswith("-windows-gnullvm"):
        return None
    return "Zig is set up for Linux, FreeBSD, NetBSD, OpenBSD and the LLVM flavour of Windows"


def _list_defaults(target: Target) -> dict[str, Value]:
    return {"glibc": max(_DEFAULT_GLIBC, _find_oldest_glibc(target), key=_order)}


def _find_oldest_glibc(target: Target) -> str:
    return _OLDEST_GLIBCS.get(target.stem, _OLDEST_GLIBC)


def _find_faults(target: Target, chosen: Mapping[str, Value]) -> Iterator[OptionFault]:
    if "zigbuild" in chosen and chosen.get("preset", True):
        yield OptionFault(
            option="zigbuild",
            problem="there is no cargo-zigbuild in an image with compiler and linker preset",
            hint="it comes with `preset = false`",
        )
    if "glibc" in chosen and (fault := _find_fault_of_glibc(target, str(chosen["glibc"]), chosen)):
        yield OptionFault(option="glibc", problem=fault[0], hint=fault[1])


def _find_fault_of_glibc(target: Target, glibc: str, chosen: Mapping[str, Value]) -> tuple[str, str] | None:
    if target.is_musl:
        return "musl has no glibc version", "leave it out"
    if not _has_glibc(target):
        return f"programs for `{target.triple}` do not use glibc", "leave it out"
    problem, oldest = f"Zig has no glibc {glibc} for `{target.triple}`", _find_oldest_glibc(target)
    if _order(glibc) < _order(oldest):
        return problem, f"the oldest that it has is {oldest}"
    if _order(glibc) > _order(_NEWEST_GLIBC) and _order(str(chosen.get("version", _ZIG_VERSION))) < (0, 18):
        return problem, f"the newest that it has is {_NEWEST_GLIBC}"
    return None


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


_VERSION = r"^[0-9]+(\.[0-9]+){1,3}$"
KIND = Kind(
    rules=KindRules(
        name="zig",
        summary="Zig's C compiler and linker, with the glibc version of your choice",
        accepts=_accepts,
        options=(
            OptionRule(
                name="glibc", type=str, default=_DEFAULT_GLIBC, pattern=r"^2\.[0-9]{1,2}$",
                description="the oldest GNU C library that binaries run with; for younger architectures their first",
            ),
            OptionRule(name="version", type=str, description="Zig's version", default=_ZIG_VERSION, pattern=_VERSION),
            OptionRule(
                name="preset", type=bool, default=True,
                description="set compiler and linker; false leaves that to cross's zig mode and cargo-zigbuild",
            ),
            OptionRule(
                name="zigbuild", type=str, description="cargo-zigbuild's version, where nothing is preset",
                default="0.24.0", pattern=_VERSION,
            ),
        ),
        defaults=_list_defaults,
        find_faults=_find_faults,
    ),
    make=make_zig,
)  # fmt: skip
