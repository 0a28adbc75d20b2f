"""What images leave out of packages: what stays is enough, and what went comes back."""

from __future__ import annotations

import pytest

from imagefab.lock.file import read_lock
from imagefab.lock.staleness import platform_pins
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.projects import TINY, add_recipe
from tests.e2e.support.stores import find_blob

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

LINK = """
printf 'int add(int a, int b) { return a + b; }\\n' >add.c
printf 'extern "C" int add(int, int), puts(const char *);' >main.cc
printf 'int main() { return puts(add(40, 2) == 42 ? "42" : "no") < 0; }' >>main.cc
aarch64-linux-gnu-gcc -O2 -flto -c add.c && aarch64-linux-gnu-g++ -O2 -flto main.cc add.o -o main
/linux-runner aarch64 ./main
"""


def test_what_is_left_out_comes_back_with_its_package(warm: CommandLine) -> None:
    lock = read_lock(warm.folder / "images/aarch64-gnu/imagefab.lock", recipe="aarch64-gnu")
    (package,) = [pin.sha256 for pin in platform_pins(lock, "linux/amd64") if pin.name == "cmake"]
    bind = f"{find_blob(warm.store, package.hex)}:/cmake.deb"
    script = "! test -e /usr/bin/ctest && dpkg --unpack /cmake.deb >/dev/null && ctest --version"
    said = warm.run("run", "--engine", "sandbox", "--bind", bind, "aarch64-gnu", "--", "sh", "-c", script).stdout
    assert said.startswith("ctest version 3.")


def test_the_target_is_linked_with_lto(warm: CommandLine) -> None:
    said = warm.run("run", "--engine", "sandbox", "aarch64-gnu", "--", "sh", "-euc", f"cd /tmp\n{LINK}").stdout
    assert said == "42\n"


def test_what_a_recipe_keeps(tiny: CommandLine) -> None:
    add_recipe(tiny, "kept", TINY.replace("platforms", 'keep = ["charsets"]\nplatforms'))
    listing = ("run", "--engine", "sandbox")
    command = ("sh", "-c", "ls /usr/lib/x86_64-linux-gnu/gconv")
    few = tiny.run(*listing, "tiny", "--", *command).stdout.split()
    assert {"gconv-modules", "UTF-16.so", "ISO8859-1.so"} <= set(few)
    assert "BIG5.so" not in few
    kept = tiny.build("kept", "--engine", "sandbox")
    assert "BIG5.so" in tiny.run(*listing, "kept", "--", *command).stdout.split()
    # Only what has more files in it is another layer.
    layers = {layer["name"]: layer["digest"] for layer in kept["platforms"]["linux/amd64"]["layers"]}
    others = {layer["name"]: layer["digest"] for layer in tiny.build("tiny")["platforms"]["linux/amd64"]["layers"]}
    assert {name for name, digest in layers.items() if others[name] != digest} == {"base (glibc)"}
