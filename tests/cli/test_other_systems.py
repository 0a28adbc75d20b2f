"""What builds nothing runs where there is no Linux: without its modules, functions and flags."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.platforms import AMD64
from imagefab.records.published import Published, render_published

ELSEWHERE = """
import os, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty"):
    sys.modules[name] = None
for name in ("O_PATH", "O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY", "O_NOCTTY", "getuid", "geteuid", "getgid", "getegid",
             "fork", "fchdir", "chown", "fchown", "setsid", "mkfifo", "unshare"):
    if hasattr(os, name):
        delattr(os, name)
os.supports_dir_fd = set()
import ctypes
ctypes.CDLL = None
from imagefab.cli.main import run_main
sys.exit(run_main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "words",
    [
        "--version",
        "completion bash",
        "list",
        "list --json",
        "show aarch64-gnu",
        "lock",
        "lock --check",
        "render",
        "render --check",
        "diff aarch64-gnu images/aarch64-gnu/imagefab.lock",
        "cross-toml aarch64-gnu",
        "matrix",
        "init --ci github",
        "-C recipes list",
        "judge program",
    ],
)
def test_what_builds_nothing(words: str, small_project: Path) -> None:
    record = Published(name="r.example/org/aarch64-gnu", digest=Digest.of_bytes(b""), platforms=(AMD64,), tag="x")
    (small_project / "images/aarch64-gnu/published.toml").write_text(render_published("aarch64-gnu", record))
    (small_project / "program").write_bytes(Path(sys.executable).read_bytes())
    said = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *words.split()], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
