"""The kernel's target in JSON, as a version of rustc wants it. The file has the newest form, and none fits all."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

NAME = "x86_64-kernel.json"


def read_minor(rustc: Path | str) -> int:
    said = subprocess.run([rustc, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"rustc 1\.(\d+)\.", said)
    assert found, said
    return int(found[1])


def fit_target(path: Path, minor: int) -> None:
    """Rewrite the file for rustc 1.MINOR; recipes/README.md says the same to users."""
    target = json.loads(path.read_text())
    if minor < 95:
        target["rustc-abi"] = "x86-softfloat"
    if minor < 91:
        target["target-pointer-width"] = str(target["target-pointer-width"])
    if minor < 86:
        del target["rustc-abi"]
    path.write_text(json.dumps(target, indent=4) + "\n")
