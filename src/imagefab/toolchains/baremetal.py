"""Kind baremetal: compilers for programs that run without an operating system, with picolibc where the archive has it.

- Arm microcontrollers and RISC-V use Debian's GCC with picolibc. The packages contain libraries for dozens of processor
  variants; only those that targets use are unpacked. Programs without a linker script of their own are laid out for the
  runner's machine, and do I/O and exit through semihosting.
- 64-bit Arm and x86 use clang and lld, without a C library: programs bring a linker script and everything they call.

cargo gets no linker: rustc's own links such programs, with the crate's linker script.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe, RunSpec
from imagefab.recipe.rules import KindRules
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.runners.system import MACHINES, Memory
from imagefab.toolchains.script import read_script
from imagefab.toolchains.suite import Suite, find_suite
from imagefab.toolchains.toolchain import Kind, Toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gcc:
    """The parts of a GCC's packages that go into an image."""

    variants: str
    """A pattern for the library folders of all processor variants, below those of GCC and picolibc."""
    kept: tuple[str, ...]
    """The variants that are unpacked."""
    default: str = ""
    """The variant whose libraries are at the top, where GCC does not look when the variant is selected explicitly."""


_GCCS = {
    "arm-none-eabi": _Gcc(
        variants="[at]*",
        kept=(
            "thumb/v6-m/nofp",
            "thumb/v7-m/nofp",
            "thumb/v7e-m/nofp",
            "thumb/v7e-m+fp/hard",
            "thumb/v7e-m+dp/hard",
            "thumb/v8-m.base/nofp",
            "thumb/v8-m.main/nofp",
            "thumb/v8-m.main+fp/hard",
            "thumb/v8-m.main+dp/hard",
        ),
    ),
    "riscv64-unknown-elf": _Gcc(variants="rv*", kept=("rv32imac/ilp32",), default="rv64imafdc/lp64d"),
    "arm-none-eabi-classic": _Gcc(
        variants="[at]*",
        kept=(
            "thumb/nofp",
            "thumb/v7/nofp",
            "thumb/v7-a/nofp",
            "thumb/v7-a+fp/hard",
            "thumb/v7+fp/hard",
            "thumb/v7-r+fp.sp/hard",
        ),
    ),
    "riscv64-unknown-elf-subset": _Gcc(
        variants="rv*",
        kept=("rv32i/ilp32", "rv32im/ilp32", "rv32imafc/ilp32f", "rv64imac/lp64"),
    ),
}
"""By program prefix, and the family of the target's machine."""

_FLAGS = {
    "thumbv6m-none-eabi": "-mthumb -march=armv6s-m -mfloat-abi=soft",
    "thumbv7m-none-eabi": "-mthumb -march=armv7-m -mfloat-abi=soft",
    "thumbv7em-none-eabi": "-mthumb -march=armv7e-m -mfloat-abi=soft",
    "thumbv7em-none-eabihf": "-mthumb -march=armv7e-m -mfloat-abi=hard -mfpu=fpv4-sp-d16",
    "thumbv8m.base-none-eabi": "-mthumb -march=armv8-m.base -mfloat-abi=soft",
    "thumbv8m.main-none-eabi": "-mthumb -march=armv8-m.main -mfloat-abi=soft",
    "thumbv8m.main-none-eabihf": "-mthumb -march=armv8-m.main -mfloat-abi=hard -mfpu=fpv5-sp-d16",
    "riscv64gc-unknown-none-elf": "-march=rv64gc -mabi=lp64d -mcmodel=medany",
    "riscv32imac-unknown-none-elf": "-march=rv32imac -mabi=ilp32 -mcmodel=medany",
    **{
        f"riscv32{letters}-unknown-none-elf": (
            f"-march=rv32{letters} -mabi={'ilp32f' if 'f' in letters else 'ilp32'} -mcmodel=medany"
        )
        for letters in ("i", "im", "ima", "imc", "imafc")
    },
    "riscv64imac-unknown-none-elf": "-march=rv64imac -mabi=lp64 -mcmodel=medany",
    **{
        f"{stem}-none-{'eabihf' if 'hard' in flags else 'eabi'}": (
            f"{'-mthumb' if stem.startswith('thumb') else '-marm'} {flags}"
        )
        for stem, flags in (
            ("armv4t", "-march=armv4t -mfloat-abi=soft"),
            ("thumbv4t", "-march=armv4t -mfloat-abi=soft"),
            ("armv5te", "-march=armv5te -mfloat-abi=soft"),
            ("thumbv5te", "-march=armv5te -mfloat-abi=soft"),
            ("armv6", "-march=armv6k -mfloat-abi=soft -mno-unaligned-access"),
            ("armv7a", "-march=armv7-a -mfloat-abi=soft -mno-unaligned-access"),
            ("armv7a", "-march=armv7-a -mfloat-abi=hard -mfpu=vfpv3-d16 -mno-unaligned-access"),
            ("armv7r", "-march=armv7-r -mfloat-abi=soft"),
            ("armv7r", "-march=armv7-r -mfloat-abi=hard -mfpu=vfpv3-d16"),
            ("armv8r", "-march=armv8-r -mfloat-abi=hard -mfpu=fpv5-sp-d16"),
        )
    },
    "loongarch64-unknown-none": "-mabi=lp64d -mno-lsx -mcmodel=medium",
    "loongarch64-unknown-none-softfloat": "-mabi=lp64s -mfpu=none -mcmodel=medium",
    "aarch64-unknown-none": "--target=aarch64-none-elf -mstrict-align",
    "aarch64-unknown-none-softfloat": "--target=aarch64-none-elf -march=armv8-a+nofp -mabi=aapcs-soft -mstrict-align",
    "x86_64-unknown-none": (
        # For none-elf, clang would call the host's gcc to link.
        "--target=x86_64-linux-gnu -fuse-ld=lld -Xclang -triple -Xclang x86_64-unknown-none-elf "
        "-mno-red-zone -mno-mmx -mno-sse -mno-sse2 -mno-avx "
        "-msoft-float -mcmodel=kernel -fPIC"
    ),
}
"""Flags that match rustc's code generation for the target, which decides whether objects are compatible."""

_NO_CXX = "/opt/baremetal/libstdc++.a"
_EMPTY_ARCHIVE = b"!<arch>\n"
"""An empty C++ library, for versions of g++ that have no option to link without it."""

_DISK_TOOLS = {"x86_64": ("mtools", "xorriso")}
"""Tools that make bootable disks, by the triple's first part."""


def make_baremetal(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    name = _name_gcc(target)
    return _make_with_gcc(target, name, find_suite(recipe)) if name in _GCCS else _make_with_clang(target)


def _name_gcc(target: Target) -> str:
    machine = MACHINES.get(target.stem)
    return f"{target.gnu_triplet}-{machine.family}" if machine and machine.family else target.gnu_triplet


def _make_with_gcc(target: Target, name: str, suite: Suite) -> Toolchain:
    gnu, own = target.gnu_triplet, target.triple
    picolibc = f"/usr/lib/picolibc/{gnu}"
    memory = MACHINES[target.stem].memory
    flags = f"{_FLAGS[own]} --specs=picolibc.specs --crt0=semihost --oslib=semihost{_place(memory)}"
    # There is no C++ library, so features that need it are off unless requested.
    without = "-nostdlib++" if suite.has_nostdlibcxx else f"-L{_NO_CXX.rpartition('/')[0]}"
    wrappers = {
        "gcc": f"{gnu}-gcc {flags}",
        "g++": f"{gnu}-g++ {flags} -fno-exceptions -fno-rtti -fno-threadsafe-statics {without}",
    }
    return _make_toolchain(
        target,
        _gcc_layer(gnu, name, suite),
        wrappers,
        files=() if suite.has_nostdlibcxx else (FileSpec(path=_NO_CXX, content=_EMPTY_ARCHIVE),),
        cc="gcc",
        cxx="g++",
        ar=f"{gnu}-ar",
        prefix=f"{gnu}-",
        sysroot=picolibc,
        bindgen=(f"--sysroot={picolibc}", f"-isystem{picolibc}/include"),
    )


def _place(memory: Memory | None) -> str:
    """Return the symbols that picolibc's linker script expects; a program's own linker script ignores them."""
    if memory is None:
        return ""
    values = {
        "flash": memory.rom,
        "flash_size": memory.rom_size,
        "ram": memory.ram,
        "ram_size": memory.ram_size,
    }
    return "".join(f" -Wl,--defsym=__{name}={value:#x}" for name, value in values.items())


def _gcc_layer(gnu: str, name: str, suite: Suite) -> LayerSpec:
    chosen = _GCCS[name]
    default = (chosen.default,) if chosen.default else ()
    variants = (*chosen.kept, *(default if suite.has_default_picolibc else ()))
    gcc, picolibc = f"/usr/lib/gcc/{gnu}/*", f"/usr/lib/picolibc/{gnu}"
    folders = (gcc, f"{picolibc}/lib")
    kept = "\n".join(f"path-include={folder}/{variant}/*.[ao]" for variant in variants for folder in folders)
    text = read_script("bare-dpkg.cfg", gcc=gcc, picolibc=picolibc, variants=chosen.variants, kept=kept)
    return LayerSpec(
        name=f"gcc-{name}",
        comment=f"GCC and picolibc for {gnu}",
        packages=(f"gcc-{gnu}", f"picolibc-{gnu}"),
        files=(FileSpec(path=f"/etc/dpkg/dpkg.cfg.d/imagefab-{gnu}", content=text.encode(), mode=0o644),),
        run=tuple(_link_default(picolibc, variant) for variant in default if not suite.has_default_picolibc),
    )


def _link_default(picolibc: str, name: str) -> RunSpec:
    folder = f"{picolibc}/lib/{name}"
    script = f"mkdir -p {folder.rpartition('/')[0]}\nln -s .. {folder}\n"
    return RunSpec(name=f"picolibc's default variant is {name}", script=script)


def _choose_driver(target: Target) -> str:
    """Return flags for where clang would call the host's gcc to link for a target without a system."""
    if target.stem != "loongarch64":
        return ""
    return "--target=loongarch64-linux-gnu -fuse-ld=lld -Xclang -triple -Xclang loongarch64-unknown-none "


def _make_with_clang(target: Target) -> Toolchain:
    gnu = target.gnu_triplet or f"{target.stem}-linux-gnu"
    chosen = f"{_choose_driver(target)}{_FLAGS[target.triple]}"
    flags = f"{chosen} -ffreestanding -nostdlibinc -nostdlib -static -Wno-unused-command-line-argument"
    layer = LayerSpec(
        name=f"clang-lld-{target.stem}",
        comment=f"clang and lld, and binutils for {target.stem}",
        packages=("clang", "lld", f"binutils-{gnu.replace('_', '-')}", *_DISK_TOOLS.get(target.stem, ())),
    )
    cxx = f"clang++ {flags} -fno-exceptions -fno-rtti -fno-threadsafe-statics"
    return _make_toolchain(
        target,
        layer,
        {"clang": f"clang {flags}", "clang++": cxx},
        cc="clang",
        cxx="clang++",
        ar=f"{gnu}-ar",
        prefix=f"{gnu}-",
        sysroot="/usr",
        # clang does not know the softfloat environment.
        bindgen=(
            *([f"--target={target.stem}-none-elf"] if target.stem in ("aarch64", "loongarch64") else []),
            "-ffreestanding",
            "-nostdlibinc",
        ),
    )


def _make_toolchain(
    target: Target,
    layer: LayerSpec,
    wrappers: dict[str, str],
    *,
    files: tuple[FileSpec, ...] = (),
    cc: str,
    cxx: str,
    ar: str,
    prefix: str,
    sysroot: str,
    bindgen: tuple[str, ...],
) -> Toolchain:
    own = target.triple
    programs = tuple(
        FileSpec(
            path=f"/usr/local/bin/{own}-{name}",
            content=read_script("bare-tool.sh", command=command).encode(),
            mode=0o755,
        )
        for name, command in wrappers.items()
    )
    wrapped = LayerSpec(name=f"wrappers-{own}", comment=f"the compilers, set to {own}", files=(*programs, *files))
    return Toolchain(
        layers=(layer, wrapped),
        linker=None,
        cc=f"{own}-{cc}",
        cxx=f"{own}-{cxx}",
        ar=ar,
        prefix=prefix,
        sysroot=sysroot,
        pkg_config=f"/usr/lib/{own}/pkgconfig",
        bindgen=bindgen,
        # CMake's test program would need a linker script.
        cmake=(("CMAKE_TRY_COMPILE_TARGET_TYPE", "STATIC_LIBRARY"),),
    )


def _accepts(target: Target) -> str | None:
    return None if target.triple in _FLAGS else "it runs on a system; the other kinds are for those"


def _refuses(recipe: Recipe) -> str | None:
    if _name_gcc(recipe.target) not in _GCCS or find_suite(recipe).has_semihosting:
        return None
    return f"picolibc of {recipe.archives[0].suite} cannot begin programs through semihosting; later suites' can"


KIND = Kind(
    rules=KindRules(
        name="baremetal",
        summary="programs that run on no system, booted under QEMU",
        accepts=_accepts,
        refuses=_refuses,
    ),
    make=make_baremetal,
)
