"""Images and steps that try to get out of the sandbox, or at what is the host's. Each of them once got somewhere.

What could harm this machine is done with devices, an interpreter and mounts of the test's own.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imagefab.engines.sandbox.bubblewrap import find_isolator
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.escapes import (
    CALLS_AS_32,
    PRIVATE_DEVICES,
    PRIVATE_PYTHON,
    make_caller_as_32,
    make_takeover,
    write_file,
)
from tests.e2e.support.processes import assert_nothing_left
from tests.e2e.support.projects import add_recipe, add_step

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]


@pytest.fixture
def attempt(tiny: CommandLine) -> Callable[..., str]:
    """Build an image with a step; what the step said. It ends with exit code 7 when it got to its end."""

    def run(script: str, *, prefix: tuple[str, ...] = ()) -> str:
        add_recipe(tiny, "probe", add_step(f"{script}\nexit 7", name="escape"))
        said = tiny.run("build", "probe", "--engine", "sandbox", code=5, prefix=prefix).stderr
        assert "exit code 7" in said, said
        assert_nothing_left(tiny.store)
        return said

    return run


def test_the_hosts_devices_stay_as_they_are(attempt: Callable[..., str]) -> None:
    script = """\
for device in /dev/null /dev/zero /dev/stdin /proc/self/fd/0; do
    ! chmod 600 "$device" && ! chown 12345 "$device" && ! touch -d @1 "$device" && echo "$device held"
done
test "$(cat)" = "" && test -c /dev/stdin && echo empty"""
    said = attempt(script, prefix=PRIVATE_DEVICES)
    assert said.count(" held") == 4
    assert "empty" in said
    assert "after: 666 0 " in said
    assert "1970" not in said


def test_no_id_of_the_hosts(attempt: Callable[..., str]) -> None:
    said = attempt("sed 's/^/ids:/' /proc/self/uid_map /proc/self/gid_map; ls -ldn /proc/sys")
    extents = [list(map(int, line.split(":")[1].split())) for line in said.splitlines() if "ids:" in line]
    assert len(extents) == 2
    assert all(inside == 0 and outside >= 65536 and count >= 65535 for inside, outside, count in extents)
    assert " 65534 65534 " in said, "root's files are nobody's"


def test_no_privileges_that_the_caller_can_hand_down(attempt: Callable[..., str]) -> None:
    """Capabilities that are inheritable stay, where nobody drops them."""
    inherited = ("setpriv", "--inh-caps=+sys_admin,+mknod,+net_raw")
    said = attempt("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr '\\t' ' '", prefix=inherited)
    assert "CapInh: 0000000000000000" in said
    assert "CapAmb: 0000000000000000" in said
    assert "CapBnd: 00000000800405fb" in said
    assert "NoNewPrivs: 1" in said
    assert "Seccomp: 2" in said


CALLS = {
    "add_key": "248, 'user', 'imagefab-test', 'x', 1, -3",
    "request_key": "249, 'user', 'imagefab-test', 0, -3",
    "keyctl": "250, 0, -3, 1",
    "unshare(NEWUSER)": "272, 0x10000000",
    "clone(NEWUSER)": "56, 0x10000011, 0, 0, 0, 0",
    "clone(NEWNS)": "56, 0x00020011, 0, 0, 0, 0",
    "setns": "308, 0, 0",
    "mount": "165, 'none', '/mnt', 'tmpfs', 0, 0",
    "umount": "166, '/proc', 2",
    "pivot_root": "155, '.', '.'",
    "open_tree": "428, -100, '/', 1",
    "fsopen": "430, 'tmpfs', 0",
    "bpf": "321, 0, 0, 0",
    "perf_event_open": "298, 0, 0, -1, -1, 0",
    "io_uring_setup": "425, 1, 0",
    "userfaultfd": "323, 1",
    "kexec_load": "246, 0, 0, 0, 0",
    "open_by_handle_at": "304, -100, 0, 0",
    "socket(VSOCK)": "41, 40, 1, 0",
    "socket(PACKET)": "41, 17, 3, 0",
    "socket(ALG)": "41, 38, 5, 0",
    "personality(ADDR_NO_RANDOMIZE)": "135, 0x40000",
    "swapon": "167, '/x', 0",
    "syslog": "103, 3, 0, 0",
}
"""Numbers of x86-64; what the kernel is asked, of which none is for a step."""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64")
def test_what_the_kernel_does_not_do_for_a_step(attempt: Callable[..., str]) -> None:
    calls = "\n".join(f"my @a = ({call}); attempt('{name}', @a);" for name, call in CALLS.items())
    said = attempt(f"""\
cat >/opt/calls <<'END'
sub attempt {{
    my ($name, $number, @words) = @_;
    $! = 0;
    my $result = syscall($number, @words);
    exit 0 if $result == 0 && $name =~ /clone/;
    printf "%s %d %d.\\n", $name, $result, $!;
}}
{calls}
my @c = (435, 0, 0); $! = 0; syscall(435, 0, 0); printf "clone3 %d.\\n", $!;
END
perl /opt/calls""")
    for name in CALLS:
        assert f"{name} -1 1." in said, "EPERM"
    assert "clone3 38." in said, "ENOSYS, so that C libraries take clone"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="a program for x86-64")
def test_no_calls_by_other_doors(attempt: Callable[..., str]) -> None:
    """A filter that knows the numbers of one kind of program knows nothing of the others'."""
    program = write_file("/opt/thirty-two", make_caller_as_32(CALLS_AS_32.values()))
    said = attempt(f"{program}\nset +e; /opt/thirty-two; echo refused $?.")
    assert f"refused {len(CALLS_AS_32)}." in said


def test_nothing_in_proc_that_is_the_hosts(attempt: Callable[..., str]) -> None:
    said = attempt("""\
cat /proc/keys /proc/key-users /proc/timer_list 2>/dev/null | wc -c | sed 's/^/read /'
for file in sysrq-trigger kcore sys/kernel/core_pattern sys/kernel/hostname sys/vm/drop_caches; do
    (: >>/proc/$file) 2>/dev/null || echo "closed $file"
done
head -c 1 /proc/kcore | wc -c | sed 's/^/core /'
wc -l </proc/self/cgroup | sed 's/^/groups /'; ! grep -v ':/$' /proc/self/cgroup && echo own groups""")
    assert "read 0" in said
    assert "core 0" in said
    assert all(f"closed {name}" in said for name in ("sysrq-trigger", "kcore", "sys/kernel/core_pattern"))
    assert "own groups" in said


# -- the program that started the step ---------------------------------------------------------------------------------


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="a program for x86-64")
@pytest.mark.parametrize("how", ["build", "run", "check"])
def test_a_shell_that_is_whatever_started_it(how: str, tiny: CommandLine, tmp_path: Path) -> None:
    """With a loader of the image's, which then is the host's program, and makes that set-uid."""
    steps = add_step(make_takeover(), name="take over")
    add_recipe(tiny, "probe", add_step("true", name="run", recipe=steps) if how == "build" else steps)
    python = tmp_path / "python"
    private = (*PRIVATE_PYTHON, str(Path(sys.executable).resolve()), str(python))
    if how != "build":
        tiny.run("build", "probe", "--engine", "sandbox")
    words = ["--mount", str(tmp_path), "probe", "--", "true"] if how == "run" else ["probe"]
    result = subprocess.run(
        [*private, *tiny.command(how, "--engine", "sandbox", *words)], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in result.stderr
    assert how != "run" or result.stdout == "reached\n", "the loader ran"
    assert python.stat().st_mode & 0o7777 == 0o755
    isolator = find_isolator()
    assert isolator is not None
    assert not Path(isolator.program).stat().st_mode & 0o6000


# -- terminals ---------------------------------------------------------------------------------------------------------


def test_nobody_types_into_the_callers_terminal(tiny: CommandLine, tmp_path: Path) -> None:
    script = """\
for my $name ("/dev/tty", "/dev/stdin", "/dev/stdout", "/dev/stderr") {
    open(my $terminal, "+<", $name) or next;
    for my $letter ("r", "m", "\\n") { my $key = $letter; ioctl($terminal, 0x5412, $key) and print "typed\\n"; }
}
print "device ", (stat STDIN)[0], "\\n";
"""
    near, far = pty.openpty()
    command = tiny.command("run", "--mount", tmp_path, "--engine", "sandbox", "tiny", "--", "perl", "-e", script)
    process = subprocess.Popen(command, stdin=far, stdout=far, stderr=far, start_new_session=True)
    assert process.wait(120) == 0
    said = os.read(near, 4096).decode()
    assert re.search(r"device \d+\r\n$", said), said
    assert "typed" not in said
    assert f"device {os.fstat(far).st_dev}\r" not in said
    os.set_blocking(far, False)
    with pytest.raises(BlockingIOError):
        os.read(far, 1)
    for descriptor in (near, far):
        os.close(descriptor)
