"""The runner of bare metal, run for real with sh: stand-ins take the emulators' places."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sample_recipe import make_recipe

from imagefab.platforms import AMD64
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.runners import table
from imagefab.toolchains.runners.system import RUNNER

RECIPE = make_recipe(kind="baremetal")
EMULATOR = """\
#!/bin/sh
printf '[%s]' "$@"
echo
while [ "$1" != -D ]; do shift; done
printf %s "$LOG" >"$2"
exit "${CODE:-0}"
"""
PLAIN_EMULATOR = '#!/bin/sh\nprintf "[%s]" "$@"\necho\nexit "${CODE:-0}"\n'
ELF, PE, SECTOR = b"\x7fELF\x02\x01", b"MZ\x90\x00", b"\x31\xc0\x8e\xd8"


class Runner:
    """The script as it is in an image, but for where the emulator is."""

    def __init__(self, folder: Path, triple: str) -> None:
        self.folder = folder
        target = TARGETS[triple]
        self.stem = target.stem
        (layer,) = table.make_runner(replace(RECIPE, target=target), AMD64).layers
        text = next(file.content.decode() for file in layer.files if file.path == RUNNER)
        emulator = folder / "emulator"
        emulator.write_text(EMULATOR if target.qemu == "x86_64" else PLAIN_EMULATOR)
        emulator.chmod(0o755)
        assert f"/usr/bin/qemu-system-{target.qemu} " in text
        self.script = folder / "qemu-runner"
        self.script.write_text(text.replace(f"/usr/bin/qemu-system-{target.qemu} ", f"{emulator} "))

    def program(self, name: str, content: bytes = ELF) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def run(self, *arguments: object, machine: str = "", **env: str) -> tuple[str, int]:
        """Output and exit code, with nothing but the given variables around."""
        settings = [f"{name}={value}" for name, value in env.items()]
        words = [machine or self.stem, *map(str, arguments)]
        command = ["env", "-i", *settings, "/bin/sh", str(self.script), *words]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return result.stdout + result.stderr, result.returncode

    def start(self, program: Path, redirect: str = "") -> subprocess.Popen[str]:
        words = [str(self.script), self.stem, str(program)]
        command = ["/bin/sh", "-c", f'exec /bin/sh "$@" {redirect}', "sh", *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def arm(tmp_path: Path) -> Runner:
    return Runner(tmp_path, "thumbv7m-none-eabi")


@pytest.fixture
def pc(tmp_path: Path) -> Runner:
    return Runner(tmp_path, "x86_64-unknown-none")


def test_a_program_boots_with_nothing_in_the_environment(tmp_path: Path, subtests: pytest.Subtests) -> None:
    for target in (target for target in TARGETS.values() if target.os == "none" and target.qemu):
        with subtests.test(target.triple):
            runner = Runner(tmp_path, target.triple)
            program = runner.program("kernel")
            output, code = runner.run(program)
            assert code == 0
            assert "[-machine]" in output
            assert f"[-kernel][{program}]" in output
            assert "[-display][none]" in output


@pytest.mark.parametrize(("machine", "board"), [("thumbv6m", "microbit"), ("thumbv8m.base", "mps2-an505")])
def test_one_script_has_all_machines_of_an_emulator(arm: Runner, machine: str, board: str) -> None:
    assert f"[-machine][{board}]" in arm.run(arm.program("kernel"), machine=machine)[0]


def test_arguments_reach_the_program(arm: Runner) -> None:
    program = arm.program("a,b")
    said, _ = arm.run(program, "c d", ",e,", "", "$x")
    named = str(program).replace(",", ",,")
    assert f",arg={named},arg=c d,arg=,,e,,,arg=,arg=$x]" in said


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exit_codes_pass_through(arm: Runner, code: int) -> None:
    assert arm.run(arm.program("kernel"), CODE=str(code))[1] == code


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (0, 0),
        (1, 1),  # QEMU's own failures
        (33, 0),  # 16 is success, as is custom
        (3, 1),
        (15, 7),
        (35, 17),
        (124, 124),
        (137, 137),
        (143, 143),
    ],
)
def test_exit_codes_of_a_pc(pc: Runner, given: int, seen: int) -> None:
    assert pc.run(pc.program("kernel"), CODE=str(given))[1] == seen


def test_a_triple_fault_is_no_success(pc: Runner) -> None:
    said, code = pc.run(pc.program("kernel"), LOG="CPU Reset\nTriple fault\nEAX=0")
    assert code == 1
    assert "triple fault" in said
    assert pc.run(pc.program("kernel"), LOG="CPU Reset\n")[1] == 0


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("kernel", ELF, "[-kernel][{}]"),
        ("disk.img", SECTOR, "[-drive][media=disk,format=raw,snapshot=on,file={}]"),
        ("a,b.img", SECTOR, "[-drive][media=disk,format=raw,snapshot=on,file={}]"),
        ("disc.iso", SECTOR, "[-drive][media=cdrom,format=raw,readonly=on,file={}]"),
    ],
)
def test_what_a_pc_boots(pc: Runner, name: str, content: bytes, told: str) -> None:
    program = pc.program(name, content)
    said, code = pc.run(program)
    assert code == 0
    assert told.format(str(program).replace(",", ",,")) in said
    assert "[-bios]" not in said
    assert "[-bios][/usr/share/ovmf/OVMF.fd]" in pc.run(program, CROSS_RUNNER="qemu-system-uefi")[0]


def test_an_application_for_uefi_is_put_on_a_disk(pc: Runner) -> None:
    scratch = pc.folder / "scratch"
    scratch.mkdir()
    said, code = pc.run(pc.program("hello.efi", PE), TMPDIR=str(scratch), PATH="/usr/bin:/bin")
    assert code == 0
    assert "[-bios][/usr/share/ovmf/OVMF.fd]" in said
    assert f"[if=virtio,format=raw,readonly=on,file=fat:{scratch}/" in said
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("name", ["arm", "pc"])
def test_a_debugger_is_waited_for(name: str, request: pytest.FixtureRequest) -> None:
    runner: Runner = request.getfixturevalue(name)
    program = runner.program("kernel")
    assert "[-S][-gdb][tcp::1234]" in runner.run(program, CROSS_GDB="1234")[0]
    assert "[-S][-gdb][unix:/tmp/x,server=on,wait=off]" in runner.run(program, CROSS_GDB="/tmp/x")[0]
    assert "[-S]" not in runner.run(program, CROSS_GDB="")[0]


@pytest.mark.parametrize("name", ["arm", "pc"])
def test_what_hangs_is_ended(name: str, request: pytest.FixtureRequest) -> None:
    runner: Runner = request.getfixturevalue(name)
    (runner.folder / "emulator").write_text("#!/bin/sh\nexec sleep 60\n")
    assert runner.run(runner.program("kernel"), QEMU_TIMEOUT="0.3")[1] == 124


@pytest.mark.parametrize("name", ["arm", "pc"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_who_ends_the_runner_ends_the_emulator(
    name: str, number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    """In a PC's, the shell stays, to tell how it ended."""
    runner: Runner = request.getfixturevalue(name)
    (runner.folder / "emulator").write_text("#!/bin/sh\necho $$\nexec sleep 60\n")
    with runner.start(runner.program("kernel")) as process:
        assert process.stdout is not None
        emulator = int(process.stdout.readline())
        process.send_signal(number)
        assert process.wait(10) in (-number, 128 + number)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{emulator}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_timeout_that_is_no_number(pc: Runner) -> None:
    said, code = pc.run(pc.program("kernel"), QEMU_TIMEOUT="soon")
    assert code == 1
    assert "QEMU_TIMEOUT=soon is no time" in said


def test_a_pc_without_an_input(pc: Runner) -> None:
    with pc.start(pc.program("kernel"), "<&-") as process:
        assert process.wait(10) == 0


def test_more_options(arm: Runner) -> None:
    assert arm.run(arm.program("kernel"), QEMU_OPTIONS="-m 1G -nic user")[0].endswith("[-m][1G][-nic][user]\n")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"CROSS_RUNNER": "native"}, "not with 'native'"),
        ({"CROSS_RUNNER": "qemu-system-uefi"}, "not with 'qemu-system-uefi'"),
        ({"machine": "x86_64"}, "no machine for x86_64; there are: thumbv6m thumbv7m"),
    ],
)
def test_other_runners_and_machines_are_refused(arm: Runner, change: dict[str, str], told: str) -> None:
    said, code = arm.run(arm.program("kernel"), **change)
    assert code == 1
    assert told in said


def test_a_program_that_is_not_there(arm: Runner) -> None:
    assert arm.run(arm.folder / "nothing") == (f"qemu-runner: no file {arm.folder}/nothing\n", 1)
    assert arm.run()[1] == 2


def test_one_of_the_emulators_is_unpacked(tmp_path: Path) -> None:
    (layer,) = table.make_runner(replace(RECIPE, target=TARGETS["riscv32imac-unknown-none-elf"]), AMD64).layers
    assert layer.packages == ("qemu-system-riscv",)
    (rules,) = (file.content.decode() for file in layer.files if file.path != RUNNER)
    assert "path-include=/usr/bin/qemu-system-riscv32\n" in rules
