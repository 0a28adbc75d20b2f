"""The programs that probes compile and boot in the image, and the scripts that they run: files in `programs`."""

from __future__ import annotations

from imagefab.templates import read_template


def read_program(name: str, /, **values: object) -> str:
    return read_template("imagefab.check", f"programs/{name}", values)
