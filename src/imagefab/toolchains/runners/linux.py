"""Linux programs: run natively on the target's own platform, and under QEMU's user mode elsewhere.

Only the emulator that the image needs is taken from the package of all emulators. The runner calls the emulator itself
and relies neither on binfmt_misc nor on any variable: it must work under `env -i`.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import ExtractSpec, LayerSpec
from imagefab.toolchains.runners.runner import Runner
from imagefab.toolchains.script import read_script
from imagefab.toolchains.suite import find_suite

RUNNER = "/linux-runner"

_GDB = "\n# QEMU waits for a debugger at CROSS_GDB, a port or a path."


def is_native(target: Target, platform: HostPlatform) -> bool:
    """Return whether the host platform runs the target's programs natively."""
    return target.debian_arch == platform.debian_arch


def make_native(recipe: Recipe, platform: HostPlatform) -> Runner:
    script = read_script(
        "linux-runner.sh",
        choices="native",
        default="native",
        cases=read_script("linux-runner-native.sh").rstrip(),
        gdb="",
    )
    comment = "runs programs as they are: the host platform is the target"
    return _make_runner("native", recipe.target, script, comment, choices=("native",))


def make_qemu_user(recipe: Recipe, platform: HostPlatform) -> Runner:
    target = recipe.target
    cases = read_script("linux-runner-qemu.sh", qemu=target.qemu, sysroot=f"/usr/{target.gnu_triplet}").rstrip()
    script = read_script("linux-runner.sh", choices="qemu-user native", default="qemu-user", cases=cases, gdb=_GDB)
    emulator, suite = f"/usr/bin/qemu-{target.qemu}", find_suite(recipe)
    extract = ExtractSpec(package=suite.emulators, member=f"{emulator}{suite.emulator_suffix}", path=emulator)
    return _make_runner(
        "qemu-user",
        target,
        script,
        f"QEMU's user mode emulator for {target.qemu}, and no other",
        extracts=(extract,),
        opened_from=recipe.qemu_suite,
        env=(("RUST_TEST_THREADS", "1"),),
        choices=("qemu-user", "native"),
    )


def _make_runner(
    name: str,
    target: Target,
    script: str,
    comment: str,
    *,
    extracts: tuple[ExtractSpec, ...] = (),
    opened_from: str | None = None,
    env: tuple[tuple[str, str], ...] = (),
    choices: tuple[str, ...],
) -> Runner:
    layer = LayerSpec(
        name=f"runner-{target.qemu}",
        comment=comment,
        extracts=extracts,
        opened_from=opened_from,
        files=(FileSpec(path=RUNNER, content=script.encode(), mode=0o755),),
    )
    return Runner(
        name=name,
        command=(RUNNER, target.qemu),
        layers=(layer,),
        env=env,
        choices=choices,
        needs_sysroot=bool(extracts),
    )
