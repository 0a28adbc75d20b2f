"""Bare metal: a whole machine under QEMU, which boots the program.

The runner is one script for all machines of an emulator, so images share its layer. It relies on no variable, writes
only temporary files, and does not change the programs and disks that it runs.

- Arm and RISC-V programs do I/O through semihosting or the first serial port, and exit with a code through semihosting.
- x86 has no semihosting: programs write to the first serial port, and exit by writing their exit code to port 0xf4. By
  convention 16 is success: QEMU exits with 2n+1, and 0 would look like QEMU's own failures. A guest that powers the
  machine off has succeeded; one that triple-faults has failed, which QEMU alone does not report.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe
from imagefab.recipe.target import TARGETS, Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.runners.runner import Runner
from imagefab.toolchains.script import read_script
from imagefab.toolchains.suite import find_suite

RUNNER = "/qemu-runner"
FIRMWARE = "/usr/share/ovmf/OVMF.fd"
UEFI = "qemu-system-uefi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Where programs are loaded; sizes in bytes."""

    rom: int
    rom_size: int
    ram: int
    ram_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    options: str
    """QEMU's options, up to the program."""
    memory: Memory | None = None
    """For the linker; None if programs bring a linker script of their own."""
    family: str = ""
    """Machines of one emulator and family share a runner and a compiler's libraries. A machine that is added to a
    family changes its images, so later ones have families of their own."""


_K = 1024
_VIRT = Memory(rom=0x8000_0000, rom_size=4096 * _K, ram=0x8040_0000, ram_size=4096 * _K)
_RISCV_32, _RISCV_64 = (f"-machine virt -bios none -cpu rv{bits}i,zicsr=on,zifencei=on" for bits in (32, 64))
_SUBSET = "subset"
"""RISC-V processors with few extensions."""
_CLASSIC = "classic"
"""Arm processors that are no microcontrollers of the M profile."""
_VERSATILE = Memory(rom=0x1_0000, rom_size=4032 * _K, ram=0x40_0000, ram_size=4096 * _K)
_AN505 = Machine(
    options="-machine mps2-an505",
    memory=Memory(rom=0x1000_0000, rom_size=4096 * _K, ram=0x3800_0000, ram_size=2048 * _K),
)
MACHINES: dict[str, Machine] = {
    "thumbv6m": Machine(
        options="-machine microbit", memory=Memory(rom=0, rom_size=256 * _K, ram=0x2000_0000, ram_size=16 * _K)
    ),
    "thumbv7m": Machine(
        options="-machine lm3s6965evb", memory=Memory(rom=0, rom_size=256 * _K, ram=0x2000_0000, ram_size=64 * _K)
    ),
    "thumbv7em": Machine(
        options="-machine mps2-an386", memory=Memory(rom=0, rom_size=4096 * _K, ram=0x2000_0000, ram_size=4096 * _K)
    ),
    # QEMU has no machine with a Cortex-M23; a Cortex-M33 runs its programs.
    "thumbv8m.base": _AN505,
    "thumbv8m.main": _AN505,
    "riscv64gc": Machine(options="-machine virt -bios none", memory=_VIRT),
    "riscv32imac": Machine(options="-machine virt -bios none", memory=_VIRT),
    **{
        f"riscv32{letters}": Machine(
            options=",".join((_RISCV_32, *(f"{letter}=on" for letter in letters[1:]))), memory=_VIRT, family=_SUBSET
        )
        for letters in ("i", "im", "ima", "imc", "imafc")
    },
    "riscv64imac": Machine(options=f"{_RISCV_64},m=on,a=on,c=on", memory=_VIRT, family=_SUBSET),
    **{
        stem: Machine(
            options=f"-machine versatilepb -audio none -cpu {cpu} -nic none", memory=_VERSATILE, family=_CLASSIC
        )
        for stem, cpu in (
            ("armv4t", "ti925t"),
            ("thumbv4t", "ti925t"),
            ("armv5te", "arm926"),
            ("thumbv5te", "arm926"),
            ("armv6", "arm1176"),
            ("armv7a", "cortex-a8"),
            ("armv7r", "cortex-r5f"),
        )
    },
    # The processor begins in the hypervisor's mode, which picolibc does not leave.
    "armv8r": Machine(
        options="-machine mps3-an536 -global cortex-r52-arm-cpu.has_el2=off -nic none",
        memory=Memory(rom=0x2000_0000, rom_size=4096 * _K, ram=0x2040_0000, ram_size=4096 * _K),
        family=_CLASSIC,
    ),
    "aarch64": Machine(options="-machine virt -cpu max -nic none"),
    "x86_64": Machine(
        options="-machine q35 -cpu max -m 256 -nic none -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4"
    ),
}
"""By the first part of a triple."""

_PACKAGES = {
    "arm": ("qemu-system-arm",),
    "aarch64": ("qemu-system-arm",),
    "x86_64": ("qemu-system-x86", "ovmf"),
}
"""By QEMU's name for the processor. RISC-V's package has another name in older suites."""


def make_qemu_system(recipe: Recipe, platform: HostPlatform) -> Runner:
    target = recipe.target
    family = MACHINES[target.stem].family
    layer = LayerSpec(
        name=f"runner-system-{target.qemu}" + (f"-{family}" if family else ""),
        comment=f"QEMU's {target.qemu} machines, and no others",
        packages=_PACKAGES.get(target.qemu, (find_suite(recipe).riscv_machines,)),
        files=(
            FileSpec(
                path="/etc/dpkg/dpkg.cfg.d/imagefab-qemu",
                content=read_script("qemu-dpkg.cfg", qemu=target.qemu).encode(),
                mode=0o644,
            ),
            FileSpec(path=RUNNER, content=_compose_script(target).encode(), mode=0o755),
        ),
    )
    return Runner(
        name="qemu-system",
        command=(RUNNER, target.stem),
        layers=(layer,),
        choices=_list_choices(target),
    )


def _list_choices(target: Target) -> tuple[str, ...]:
    return ("qemu-system", UEFI) if target.qemu == "x86_64" else ("qemu-system",)


def _compose_script(target: Target) -> str:
    """Return one script for all machines of an emulator and family."""
    is_pc = target.qemu == "x86_64"
    choices, family = _list_choices(target), MACHINES[target.stem].family
    cases = ["qemu-system) ;;", *([f'{UEFI}) firmware="-bios {FIRMWARE}" ;;'] if is_pc else [])]
    known = dict.fromkeys(t.stem for t in TARGETS.values() if t.os == "none" and t.qemu == target.qemu)
    stems = [stem for stem in known if MACHINES[stem].family == family]
    machines = [f'{stem}) options="{MACHINES[stem].options}" ;;' for stem in stems]
    names = ("qemu-runner.sh", "qemu-runner-pc.sh" if is_pc else "qemu-runner-semihosting.sh")
    values = {
        "choices": " ".join(choices),
        "cases": "\n".join(cases),
        "machines": "\n".join(machines),
        "names": " ".join(stems),
        "qemu": target.qemu,
        "firmware": f"-bios {FIRMWARE}",
        "boot": "BOOTX64.EFI",
    }
    text = "".join(read_script(name, **values) for name in names)
    return text if is_pc else text.replace("firmware=\n", "", 1)
