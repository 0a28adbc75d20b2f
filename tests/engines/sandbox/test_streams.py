"""Which streams a command in the sandbox is handed, in processes whose own streams are the test's."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from imagefab.engines.sandbox.streams import lend_streams

with lend_streams(None) as streams:
    kinds = []
    for descriptor in streams.descriptors:
        kinds.append("none" if descriptor < 0 else os.readlink(f"/proc/self/fd/{descriptor}").partition(":")[0])
    said = " ".join([*kinds, "terminal" if streams.terminal else "streams"])
    if streams.descriptors[1] >= 0:
        os.write(streams.descriptors[1], b"to output\\n")
    assert all(descriptor > 2 or descriptor < 0 for descriptor in streams.descriptors)
with open(sys.argv[1], "w") as file:
    file.write(said)
"""


def run(folder: Path, **streams: object) -> str:
    subprocess.run([sys.executable, "-c", PROGRAM, str(folder / "said")], check=True, timeout=60, **streams)  # type: ignore[call-overload]
    return (folder / "said").read_text()


def test_files_and_pipes_are_handed_on(tmp_path: Path) -> None:
    (tmp_path / "in").touch()
    with (tmp_path / "in").open() as source, (tmp_path / "out").open("w") as target:
        said = run(tmp_path, stdin=source, stdout=target, stderr=subprocess.PIPE)
    assert said == f"{tmp_path}/in {tmp_path}/out pipe streams"
    assert (tmp_path / "out").read_text() == "to output\n"


def test_devices_are_not(tmp_path: Path) -> None:
    """Whoever holds the host's /dev/null can change its mode."""
    null = subprocess.DEVNULL
    assert run(tmp_path, stdin=null, stdout=null, stderr=null) == "none pipe pipe streams"


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_closed_ones_are_nothing(closed: str, tmp_path: Path) -> None:
    script = f'exec "$0" -c "$1" "$2" {closed}'
    subprocess.run(["sh", "-c", script, sys.executable, PROGRAM, str(tmp_path / "said")], check=True, timeout=60)
    assert (tmp_path / "said").read_text().split()[0] == "none"


def test_a_terminal_is_not(tmp_path: Path) -> None:
    near, far = pty.openpty()
    assert run(tmp_path, stdin=far, stdout=far, stderr=far) == "socket none none terminal"
    said = run(tmp_path, stdin=far, stdout=subprocess.PIPE, stderr=far)
    assert said == "pipe pipe pipe streams"
    said = run(tmp_path, stdin=subprocess.DEVNULL, stdout=far, stderr=far)
    assert said == "none pipe pipe streams"
    assert os.read(near, 100) == b"to output\r\n"
    for descriptor in (near, far):
        os.close(descriptor)
