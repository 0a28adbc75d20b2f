"""Bare metal: a whole machine under QEMU, which boots the program.

The runner is one script for all machines of an emulator, so images share its layer. It relies on no variable, writes
nowhere but in /tmp, and leaves the programs and disks that it is given as they are.

- Arm and RISC-V programs speak through semihosting or the first serial port, and end with an exit code through
  semihosting.
- x86 has no semihosting: programs speak through the first serial port, and end by writing their exit code to port 0xf4.
  16 is success there, as is custom: QEMU ends with 2n+1, and what would be 0 is how QEMU's own failures look. A guest
  that switches the machine off has succeeded; after a triple fault it has failed, which QEMU alone would not tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe
from imagefab.recipe.target import TARGETS, Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.runners.runner import Runner
from imagefab.toolchains.suite import find_suite

RUNNER = "/qemu-runner"
FIRMWARE = "/usr/share/ovmf/OVMF.fd"
UEFI = "qemu-system-uefi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Where programs go; sizes in bytes."""

    rom: int
    rom_size: int
    ram: int
    ram_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    options: str
    """QEMU's, up to the program."""
    memory: Memory | None = None
    """For the linker; None where programs bring a linker script of their own."""


_K = 1024
_VIRT = Memory(rom=0x8000_0000, rom_size=4096 * _K, ram=0x8040_0000, ram_size=4096 * _K)
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
    # There is no machine with a Cortex-M23; a Cortex-M33 runs its programs.
    "thumbv8m.base": _AN505,
    "thumbv8m.main": _AN505,
    "riscv64gc": Machine(options="-machine virt -bios none", memory=_VIRT),
    "riscv32imac": Machine(options="-machine virt -bios none", memory=_VIRT),
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

_DPKG = """\
# Of the emulators, the one that the image needs; of UEFI's firmware, the one that keeps no settings.
path-exclude=/usr/bin/qemu-system-*
path-include=/usr/bin/qemu-system-{qemu}
path-exclude=/usr/share/OVMF/*
path-exclude=/usr/share/icons/*
path-exclude=/usr/share/applications/*
"""

_BEGIN = """\
#!/bin/sh
# Boots a program for MACHINE under QEMU. CROSS_RUNNER chooses how: {choices}; empty or unset takes the first.
# CROSS_GDB=PORT (or a path, for a socket) waits for a debugger; QEMU_TIMEOUT=SECONDS ends what does not end by itself,
# with exit code 124; QEMU_OPTIONS are more options for QEMU, between spaces.
set -eu
if [ $# -lt 2 ]; then
    echo "usage: qemu-runner MACHINE PROGRAM [ARGUMENT...]" >&2
    exit 2
fi
machine=$1
program=$2
shift
if [ ! -f "$program" ]; then
    echo "qemu-runner: no file $program" >&2
    exit 1
fi
firmware=
case ${{CROSS_RUNNER:-qemu-system}} in
{cases}
*)
    echo "qemu-runner: this image boots programs with: {choices}; not with '$CROSS_RUNNER'" >&2
    exit 1
    ;;
esac
case $machine in
{machines}
*)
    echo "qemu-runner: no machine for $machine; there are: {names}" >&2
    exit 1
    ;;
esac
debug=
case ${{CROSS_GDB:-}} in
"") ;;
*/*) debug="-S -gdb unix:$CROSS_GDB,server=on,wait=off" ;;
*) debug="-S -gdb tcp::$CROSS_GDB" ;;
esac
limit=
if [ -n "${{QEMU_TIMEOUT:-}}" ]; then
    limit="/usr/bin/timeout --foreground --kill-after=5 $QEMU_TIMEOUT"
fi
# In an option, a comma is written twice.
double() {{
    rest=$1
    doubled=
    while :; do
        case $rest in
        *,*)
            doubled=$doubled${{rest%%,*}},,
            rest=${{rest#*,}}
            ;;
        *)
            doubled=$doubled$rest
            return
            ;;
        esac
    done
}}
"""

_SEMIHOSTING = """\
# The program's name and arguments, as semihosting hands them on.
words=
for word in "$@"; do
    double "$word"
    words=$words,arg=$doubled
done
# shellcheck disable=SC2086  # options are words
exec $limit /usr/bin/qemu-system-{qemu} $options -display none -monitor none \\
    -chardev stdio,id=console,mux=on -serial chardev:console \\
    -semihosting-config "enable=on,target=native,chardev=console$words" -kernel "$program" $debug ${{QEMU_OPTIONS:-}}
"""

_PC = """\
# A disk may be written to in the machine; the file stays as it is. QEMU takes no plain /tmp for what changes.
for TMPDIR in "${{TMPDIR:-/var/tmp}}/." /var/tmp/. /tmp/. .; do
    [ ! -w "$TMPDIR" ] || break
done
export TMPDIR
[ -z "$limit" ] || $limit /bin/true || {{
    echo "qemu-runner: QEMU_TIMEOUT=$QEMU_TIMEOUT is no time" >&2
    exit 1
}}
folder=$(mktemp -d -p "$TMPDIR")
trap 'rm -r "$folder"' EXIT
double "$program"
case $(head -c 4 "$program" | od -An -tx1) in
" 7f 45 4c 46")
    set -- -kernel "$program"
    ;;
" 4d 5a "*)
    firmware="-bios {firmware}"
    mkdir -p "$folder/disk/EFI/BOOT"
    cp "$program" "$folder/disk/EFI/BOOT/BOOTX64.EFI"
    set -- -drive "if=virtio,format=raw,readonly=on,file=fat:$folder/disk"
    ;;
*)
    case $program in
    *.iso) set -- -drive "media=cdrom,format=raw,readonly=on,file=$doubled" ;;
    *) set -- -drive "media=disk,format=raw,snapshot=on,file=$doubled" ;;
    esac
    ;;
esac
# QEMU's log tells of resets. A shell that waits for what runs beside it hears signals at once.
[ -e /dev/fd/0 ] || exec </dev/null
exec 8<&0
code=0
# shellcheck disable=SC2086  # options are words
$limit /usr/bin/qemu-system-{qemu} $options $firmware -display none -monitor none -serial stdio \\
    -d cpu_reset -D "$folder/log" "$@" $debug ${{QEMU_OPTIONS:-}} <&8 8<&- &
for number in 1 2 15; do
    # shellcheck disable=SC2064  # as the number is now
    trap "trap '' 1 2 15; kill $! 2>/dev/null; wait $! || :; exit $((128 + number))" $number
done
wait $! || code=$?
if grep -qs "Triple fault" "$folder/log"; then
    echo "qemu-runner: the machine restarts after a triple fault" >&2
    exit 1
fi
case $code in
33) exit 0 ;;
*[13579])
    if [ "$code" -gt 1 ] && [ "$code" != 137 ] && [ "$code" != 143 ]; then code=$((code / 2)); fi
    ;;
esac
exit "$code"
"""


def make_qemu_system(recipe: Recipe, platform: HostPlatform) -> Runner:
    target = recipe.target
    layer = LayerSpec(
        name=f"runner-system-{target.qemu}",
        comment=f"QEMU's {target.qemu} machines, and no others",
        packages=_PACKAGES.get(target.qemu, (find_suite(recipe).riscv_machines,)),
        files=(
            FileSpec(
                path="/etc/dpkg/dpkg.cfg.d/imagefab-qemu", content=_DPKG.format(qemu=target.qemu).encode(), mode=0o644
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
    """One for all machines of an emulator."""
    is_pc = target.qemu == "x86_64"
    choices = _list_choices(target)
    cases = ["qemu-system) ;;", *([f'{UEFI}) firmware="-bios {FIRMWARE}" ;;'] if is_pc else [])]
    stems = dict.fromkeys(t.stem for t in TARGETS.values() if t.os == "none" and t.qemu == target.qemu)
    machines = [f'{stem}) options="{MACHINES[stem].options}" ;;' for stem in stems]
    text = (_BEGIN + (_PC if is_pc else _SEMIHOSTING)).format(
        choices=" ".join(choices),
        cases="\n".join(cases),
        machines="\n".join(machines),
        names=" ".join(stems),
        qemu=target.qemu,
        firmware=FIRMWARE,
    )
    return text if is_pc else text.replace("firmware=\n", "", 1)
