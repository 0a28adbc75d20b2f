"""The scripts, programs and settings that build images or are part of them: files in the folder `scripts`."""

from __future__ import annotations

from imagefab.templates import read_template


def read_script(name: str, /, **values: object) -> str:
    return read_template("imagefab.toolchains", f"scripts/{name}", values)
