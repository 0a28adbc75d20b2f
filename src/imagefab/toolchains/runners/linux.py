"""Linux programs: run natively on the target's own platform, and under QEMU's user mode elsewhere.

Only the emulator that the image needs is taken from the package of all emulators. The runner calls the emulator itself
and relies neither on binfmt_misc nor on any variable: it must work under `env -i`. It asks for the oldest processor
that the target's programs are for, so that what such a device would not run fails in the image, too.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import CPU_CLAIM, ExtractSpec, LayerSpec
from imagefab.toolchains.runners.runner import Runner
from imagefab.toolchains.script import read_script
from imagefab.toolchains.suite import find_suite

RUNNER = "/linux-runner"

_GDB = "\n# QEMU waits for a debugger at CROSS_GDB, a port or a path."

_CPUS = {
    "aarch64": "cortex-a53",
    "armv5te": "arm926",
    "arm": "arm1176",
    # Debian's libraries for this calling convention need ARMv7.
    "arm/hf": "cortex-a9,neon=off,vfp-d32=off",
    "armv7": "cortex-a9,neon=off,vfp-d32=off",
    "armv7/hf": "cortex-a9,neon=off,vfp-d32=off",
    "thumbv7neon/hf": "cortex-a9",
    "riscv64gc": "sifive-u54",
    "riscv32gc": "sifive-u34",
    "powerpc64le": "power8",
    "powerpc64": "power7",
}
"""The oldest processor that a target is for, in QEMU's words, by the triple's first part. For others QEMU's default is
about as old, or it has none that is older."""


def is_native(target: Target, platform: HostPlatform) -> bool:
    """Return whether the host platform runs the target's programs natively."""
    return target.debian_arch == platform.debian_arch


def find_oldest_cpu(recipe: Recipe) -> str:
    """Return the processor that programs are to run on, or nothing if QEMU's default will do."""
    target = recipe.target
    cpu = _CPUS.get(f"{target.stem}/hf" if target.is_hard_float else target.stem, "")
    return cpu if find_suite(recipe).has_arm_without_neon else cpu.partition(",")[0]


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
    target, suite, cpu = recipe.target, find_suite(recipe), find_oldest_cpu(recipe)
    cases = read_script(
        "linux-runner-qemu.sh",
        qemu=target.qemu,
        cpu=f' -cpu "${{QEMU_CPU:-{cpu}}}"' if cpu else "",
        sysroot=f"/usr/{target.gnu_triplet}",
    ).rstrip()
    script = read_script("linux-runner.sh", choices="qemu-user native", default="qemu-user", cases=cases, gdb=_GDB)
    emulator = f"/usr/bin/qemu-{target.qemu}"
    extract = ExtractSpec(package=suite.emulators, member=f"{emulator}{suite.emulator_suffix}", path=emulator)
    return _make_runner(
        "qemu-user",
        target,
        script,
        f"QEMU's user mode emulator for {target.qemu}, and no other",
        extracts=(extract,),
        opened_from=recipe.qemu_suite,
        env=(("RUST_TEST_THREADS", "1"),),
        labels=((CPU_CLAIM, cpu),) if cpu else (),
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
    labels: tuple[tuple[str, str], ...] = (),
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
        labels=labels,
        choices=choices,
        needs_sysroot=bool(extracts),
    )
