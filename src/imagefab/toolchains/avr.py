"""Kind avr: Debian's GCC and avr-libc for AVR microcontrollers.

A program is for one microcontroller. `mcu` says which one is compiled for unless an option -mmcu says it. rustc links
with avr-gcc, and passes the microcontroller that `-C target-cpu` names.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe
from imagefab.recipe.rules import KindRules, OptionRule
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.llvm import LIBCLANG_HEADERS
from imagefab.toolchains.script import read_script
from imagefab.toolchains.toolchain import Kind, Toolchain

_LIBRARY = "/usr/lib/avr"


def make_avr(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target, mcu = recipe.target, str(dict(recipe.options)["mcu"])
    gcc = LayerSpec(name="gcc-avr", comment="GCC and avr-libc", packages=("gcc-avr", "avr-libc"))
    return Toolchain(
        layers=(gcc, _wrappers_layer(target, mcu)),
        linker="avr-gcc",
        cc=f"{target.triple}-gcc",
        cxx=f"{target.triple}-g++",
        ar="avr-ar",
        prefix="avr-",
        sysroot=_LIBRARY,
        pkg_config=f"{_LIBRARY}/lib/pkgconfig",
        bindgen=(LIBCLANG_HEADERS, "--target=avr", f"-mmcu={mcu}", f"-isystem{_LIBRARY}/include"),
        cmake=(("CMAKE_TRY_COMPILE_TARGET_TYPE", "STATIC_LIBRARY"),),
    )


def _wrappers_layer(target: Target, mcu: str) -> LayerSpec:
    tools = {"gcc": "gcc", "g++": "g++ -fno-exceptions -fno-rtti -fno-threadsafe-statics"}
    return LayerSpec(
        name=f"avr-{mcu}",
        comment=f"the compilers, set to the {mcu}",
        files=tuple(
            FileSpec(
                path=f"/usr/local/bin/{target.triple}-{name}",
                content=read_script("avr-gcc.sh", tool=tool, mcu=mcu).encode(),
                mode=0o755,
            )
            for name, tool in tools.items()
        ),
    )


def _accepts(target: Target) -> str | None:
    return None if target.stem == "avr" else "it is not an AVR"


KIND = Kind(
    rules=KindRules(
        name="avr",
        summary="Debian's GCC and avr-libc for AVR microcontrollers",
        accepts=_accepts,
        options=(
            OptionRule(
                name="mcu", type=str, default="atmega328p", pattern=r"^[a-z][a-z0-9]{2,31}$",
                description="the microcontroller to compile for where no -mmcu says it",
            ),
        ),
    ),
    make=make_avr,
)  # fmt: skip
