"""What an image tells build tools about its target: variables for cargo, for crates that build C, and for cross.

A toolchain file tells CMake the same. Everything is computed here, from the target and its toolchain.

The CMake file contains the values themselves and reads no variables, so it works for every caller, even under `env -i`.
The CROSS_CMAKE variables repeat the values for users' own files and scripts.

If a triple contains a dot, shells do not pass on variables with the triple in their name (CC_<triple>), and the cmake
crate rejects them. The crates' other spelling is used instead: TARGET_CC and so on.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import IMAGE_PATH, LayerSpec
from imagefab.toolchains.debugger import VARIABLE, name_debugger
from imagefab.toolchains.runners.linux import is_native
from imagefab.toolchains.runners.runner import Runner
from imagefab.toolchains.toolchain import Toolchain
from imagefab.toolchains.widths import list_width_defines, list_width_variables

CMAKE_FILE = "/opt/toolchain.cmake"
CARGO_FILE = "/.cargo/config.toml"
"""Cargo searches all folders above the project's, wherever that is mounted."""

_OBJECT_FLAGS = "-ffunction-sections -fdata-sections"


def make_environment(
    recipe: Recipe, platform: HostPlatform, toolchain: Toolchain, runner: Runner
) -> tuple[tuple[str, str], ...]:
    """Return the image's variables. Those of the bases and of the recipe come last and win."""
    target = recipe.target
    env: dict[str, str] = {"PATH": IMAGE_PATH}
    if toolchain.preset and toolchain.linker is not None:
        env[f"CARGO_TARGET_{target.upper}_LINKER"] = toolchain.linker
    if runner.command:
        command = " ".join(runner.command)
        env |= {f"CARGO_TARGET_{target.upper}_RUNNER": command, "CROSS_TARGET_RUNNER": command}
    if runner.needs_sysroot:
        env["QEMU_LD_PREFIX"] = toolchain.sysroot
    env |= dict(runner.env)
    if toolchain.preset:
        env[variable("CC", target)] = toolchain.cc
        if toolchain.cxx is not None:
            env[variable("CXX", target)] = toolchain.cxx
        env[variable("AR", target)] = toolchain.ar
        env[variable("CMAKE_TOOLCHAIN_FILE", target)] = CMAKE_FILE
    env |= {
        "CROSS_CMAKE_SYSTEM_NAME": target.cmake_system,
        "CROSS_CMAKE_SYSTEM_PROCESSOR": target.cmake_processor,
        "CROSS_CMAKE_CRT": target.crt,
        "CROSS_CMAKE_OBJECT_FLAGS": _OBJECT_FLAGS if target.os == "none" else f"{_OBJECT_FLAGS} -fPIC",
        "CROSS_TOOLCHAIN_PREFIX": toolchain.prefix,
        "CROSS_TOOLCHAIN_SUFFIX": "",
        "CROSS_SYSROOT": toolchain.sysroot,
    }
    if arguments := (*toolchain.bindgen, *list_width_defines(recipe)):
        # bindgen reads this variable with the triple as it is, with underscores for dashes, or without the triple.
        suffix = "" if "." in target.triple else f"_{target.underscored}"
        env[f"BINDGEN_EXTRA_CLANG_ARGS{suffix}"] = " ".join(arguments)
    env |= {"PKG_CONFIG_PATH": toolchain.pkg_config, "PKG_CONFIG_ALLOW_CROSS": "1"}
    if target.debian_arch and not is_native(target, platform):
        env["CROSS_DEB_ARCH"] = target.debian_arch
    if debugger := name_debugger(recipe, platform):
        env[VARIABLE] = debugger
    env |= dict(list_width_variables(recipe))
    env |= dict(toolchain.env)
    for base in recipe.bases:
        env |= dict(base.additions.env)
    env |= dict(recipe.additions.env)
    return tuple(env.items())


def variable(stem: str, target: Target) -> str:
    """Return a variable's name for a target, as the cc and cmake crates spell it."""
    return f"TARGET_{stem}" if "." in target.triple else f"{stem}_{target.underscored}"


def make_build_systems_layer(recipe: Recipe, toolchain: Toolchain, runner: Runner) -> LayerSpec:
    cmake = make_cmake_file(recipe.target, toolchain, runner.command)
    cargo = make_cargo_file(recipe.target, runner.command)
    return LayerSpec(
        name="build-systems",
        comment="what CMake and pkg-config ask about the target",
        folders=(toolchain.pkg_config,),
        files=(
            FileSpec(path=CMAKE_FILE, content=cmake.encode(), mode=0o644),
            *([FileSpec(path=CARGO_FILE, content=cargo.encode(), mode=0o644)] if cargo else []),
        ),
    )


def make_cargo_file(target: Target, runner: tuple[str, ...]) -> str:
    """Return cargo's configuration of a runner for kernels, or an empty text for other systems.

    Kernels have custom targets, whose triples no variable in the image covers. A project's own runner under the same
    name wins. Microcontrollers have no custom targets, and their projects set runners under other names, next to which
    cargo does not accept a second one.
    """
    if target.os != "none" or not runner or target.stem not in ("x86_64", "aarch64"):
        return ""
    return f'[target.\'cfg(target_os = "none")\']\nrunner = "{" ".join(runner)}"\n'


def make_cmake_file(target: Target, toolchain: Toolchain, runner: tuple[str, ...]) -> str:
    lines = [
        f"# For CMake: builds for {target.triple}. The cmake crate finds this file by itself; others name it as",
        "# CMAKE_TOOLCHAIN_FILE.",
        f"set(CMAKE_SYSTEM_NAME {target.cmake_system})",
        f"set(CMAKE_SYSTEM_PROCESSOR {target.cmake_processor})",
        f"set(CMAKE_C_COMPILER {toolchain.cc})",
        *([f"set(CMAKE_CXX_COMPILER {toolchain.cxx})"] if toolchain.cxx else []),
        f"set(CMAKE_ASM_COMPILER {toolchain.cc})",
        *([f"set(CMAKE_CROSSCOMPILING_EMULATOR {';'.join(runner)})"] if runner else []),
        *(f"set({name} {value})" for name, value in toolchain.cmake),
        "# Programs are the image's own; the rest is the target's.",
        "set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)",
    ]
    if toolchain.cmake_root is not None:
        lines.append(f"set(CMAKE_FIND_ROOT_PATH {toolchain.cmake_root})")
        lines += [f"set(CMAKE_FIND_ROOT_PATH_MODE_{what} ONLY)" for what in ("INCLUDE", "LIBRARY", "PACKAGE")]
    return "\n".join(lines) + "\n"
