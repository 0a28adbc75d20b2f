"""Runners: how the target's programs run inside the image. Any kind goes with any runner.

`auto` is native on a host platform that is the target, and QEMU's user mode elsewhere. Only the one emulator that the
image needs is taken out of the package of all emulators. The runner names the emulator itself and does not rely on
binfmt_misc, nor on any variable: it must work under `env -i`.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe
from imagefab.toolchains.blueprint import ExtractSpec, LayerSpec
from imagefab.toolchains.suite import find_suite
from imagefab.toolchains.toolchain import is_native

RUNNER = "/linux-runner"

_SCRIPT = """\
#!/bin/sh
# Runs a program for ARCH. CROSS_RUNNER chooses how: {choices}; empty or unset takes the first.
set -eu
if [ $# -lt 2 ]; then
    echo "usage: linux-runner ARCH PROGRAM [ARGUMENT...]" >&2
    exit 2
fi
arch=$1
shift
case ${{CROSS_RUNNER:-{default}}} in
{cases}
*)
    echo "linux-runner: this image runs $arch programs with: {choices}; not with '$CROSS_RUNNER'" >&2
    exit 1
    ;;
esac
"""

_NATIVE = """\
native)
    exec "$@"
    ;;"""

_QEMU = """\
qemu-user)
    exec /usr/bin/qemu-{qemu} -L "${{QEMU_LD_PREFIX:-{sysroot}}}" "$@"
    ;;
native)
    # The kernel finds the emulator, where the host has registered one.
    exec "$@"
    ;;"""


def runner_name(recipe: Recipe, platform: HostPlatform) -> str:
    """What the image's label says."""
    if recipe.runner != "auto":
        return recipe.runner
    return "native" if is_native(recipe, platform) else "qemu-user"


def runner_layers(recipe: Recipe, platform: HostPlatform) -> tuple[LayerSpec, ...]:
    target = recipe.target
    match runner_name(recipe, platform):
        case "native":
            script = _SCRIPT.format(choices="native", default="native", cases=_NATIVE)
            comment = "runs programs as they are: the host platform is the target"
            extracts: tuple[ExtractSpec, ...] = ()
        case "qemu-user":
            cases = _QEMU.format(qemu=target.qemu, sysroot=f"/usr/{target.gnu_triplet}")
            script = _SCRIPT.format(choices="qemu-user native", default="qemu-user", cases=cases)
            comment = f"QEMU's user mode emulator for {target.qemu}, and no other"
            emulator = f"/usr/bin/qemu-{target.qemu}"
            suite = find_suite(recipe)
            member = f"{emulator}{suite.emulator_suffix}"
            extracts = (ExtractSpec(package=suite.emulators, member=member, path=emulator),)
        case _:
            return ()
    return (
        LayerSpec(
            name=f"runner-{target.qemu}",
            comment=comment,
            extracts=extracts,
            files=(FileSpec(path=RUNNER, content=script.encode(), mode=0o755),),
        ),
    )


def runner_command(recipe: Recipe) -> tuple[str, ...]:
    """What goes before a program of the target's to run it; nothing where none can be run."""
    return () if recipe.runner == "none" else (RUNNER, recipe.target.qemu)


def runner_environment(recipe: Recipe, platform: HostPlatform, sysroot: str) -> tuple[tuple[str, str], ...]:
    name = runner_name(recipe, platform)
    if name == "none":
        return ()
    command = " ".join(runner_command(recipe))
    env = [(f"CARGO_TARGET_{recipe.target.upper}_RUNNER", command), ("CROSS_TARGET_RUNNER", command)]
    if name == "qemu-user":
        env += [("QEMU_LD_PREFIX", sysroot), ("RUST_TEST_THREADS", "1")]
    return tuple(env)
