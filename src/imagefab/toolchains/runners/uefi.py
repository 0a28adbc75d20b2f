"""UEFI applications: a whole machine under QEMU, whose firmware starts them from a disk that the runner makes.

64-bit x86 has the runner of bare metal, which knows applications by their format. The others have only this. A program
ends with an exit code by bare metal's conventions: x86 writes it to port 0xf4, where 16 is success, and Arm calls
semihosting. Switching the machine off is success.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.runners.runner import Runner
from imagefab.toolchains.runners.system import MACHINES, RUNNER, make_qemu_system
from imagefab.toolchains.script import read_script

_OVMF = "/usr/share/OVMF/OVMF32"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    packages: tuple[str, ...]
    options: str
    firmware: str
    boot: str
    """The application's name on a disk."""
    script: str
    filters: str
    """What dpkg unpacks of the firmware, after the rules for emulators."""


_MACHINES = {
    "i686": _Machine(
        packages=("qemu-system-x86", "ovmf-ia32"),
        options=MACHINES["x86_64"].options,
        # This build keeps its settings beside the code; the machine's changes to them are dropped.
        firmware=(
            f"-drive if=pflash,unit=0,format=raw,readonly=on,file={_OVMF}_CODE_4M.fd "
            f"-drive if=pflash,unit=1,format=raw,snapshot=on,file={_OVMF}_VARS_4M.fd"
        ),
        boot="BOOTIA32.EFI",
        script="qemu-runner-pc.sh",
        filters=f"path-include={_OVMF}_CODE_4M.fd\npath-include={_OVMF}_VARS_4M.fd\n",
    ),
    "aarch64": _Machine(
        packages=("qemu-system-arm", "qemu-efi-aarch64"),
        options="-machine virt -cpu max -m 256 -nic none -no-reboot",
        firmware="-bios /usr/share/qemu-efi-aarch64/QEMU_EFI.fd",
        boot="BOOTAA64.EFI",
        script="qemu-runner-efi.sh",
        filters="path-exclude=/usr/share/AAVMF/*\n",
    ),
}
"""By the first part of a triple."""


def make_machine(recipe: Recipe, platform: HostPlatform) -> Runner:
    """Make the runner of bare metal or of UEFI."""
    target = recipe.target
    if target.os != "uefi" or target.stem not in _MACHINES:
        return make_qemu_system(recipe, platform)
    machine = _MACHINES[target.stem]
    values = {
        "choices": "qemu-system",
        "cases": f'qemu-system) firmware="{machine.firmware}" ;;',
        "machines": f'{target.stem}) options="{machine.options}" ;;',
        "names": target.stem,
        "qemu": target.qemu,
        "firmware": machine.firmware,
        "boot": machine.boot,
    }
    script = "".join(read_script(name, **values) for name in ("qemu-runner.sh", machine.script))
    filters = read_script("qemu-dpkg.cfg", qemu=target.qemu) + machine.filters
    layer = LayerSpec(
        name=f"runner-uefi-{target.qemu}",
        comment=f"QEMU's {target.qemu} machines with UEFI's firmware, and no others",
        packages=machine.packages,
        files=(
            FileSpec(path="/etc/dpkg/dpkg.cfg.d/imagefab-qemu", content=filters.encode(), mode=0o644),
            FileSpec(path=RUNNER, content=script.encode(), mode=0o755),
        ),
    )
    return Runner(name="qemu-system", command=(RUNNER, target.stem), layers=(layer,), choices=("qemu-system",))
