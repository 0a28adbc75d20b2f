"""Android, with a small NDK of the tests' own in the place of Google's. Nothing here runs what it makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine, list_probes
from tests.e2e.support.ndk import NAME, PREBUILT, pack_ndk, write_ndk_sources

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

RECIPE = """\
description = "Android"
target = "{triple}"
kind = "android"
base = "trixie"
"""
TARGETS = {
    "aarch64-linux-android": ("aarch64-linux-android", "aarch64-linux-android", "aarch64", "aarch64", "AArch64"),
    "armv7-linux-androideabi": ("armv7a-linux-androideabi", "arm-linux-androideabi", "arm", "arm", "ARM"),
    "i686-linux-android": ("i686-linux-android", "i686-linux-android", "i386", "i686", "Intel"),
}
"""Triple → the compiler's name for it, the folder's, two of the runtimes, and what readelf calls the machine."""


def build_ndk(line: CommandLine, triple: str, folder: Path) -> Path:
    """The zip file, made with the image `plain` of a project, and put into the project's folder."""
    write_ndk_sources(folder)
    clang, gnu, runtimes, name, _ = TARGETS[triple]
    line.run("run", "--mount", folder, "plain", "--", "sh", "build.sh", f"{clang}21-clang", gnu, runtimes, name)
    return pack_ndk(folder, line.folder / f"{NAME}-linux.zip")


@pytest.mark.prove
@pytest.mark.parametrize("triple", TARGETS)
def test_an_image_with_an_ndk(triple: str, warm: CommandLine, project: Callable[..., Path], tmp_path: Path) -> None:
    line = warm.at(project(RECIPE.format(triple=triple), "plain"))
    line.run("lock", "plain")
    line.run("build", "plain")
    zipped = build_ndk(line, triple, tmp_path / "ndk")
    project(RECIPE.format(triple=triple) + f'[options]\nndk = "{zipped.name}"\napi = 24\n', "mine")
    line.run("lock", "mine")
    lock = (line.folder / "images" / "mine" / "imagefab.lock").read_text()
    assert f'name = "{zipped.name}"' in lock
    assert str(tmp_path) not in lock
    zipped.unlink()
    line.run("build", "mine")
    report = line.check("mine")
    assert report["ok"], report
    assert list_probes(report, "pass") >= {"tools", "c", "c++", "shared", "cmake", "bindgen", "variables"}
    clang, gnu, _, _, machine = TARGETS[triple]
    (tmp_path / "a.c").write_text("int level = __ANDROID_API__;\nint main(void) { return level; }\n")
    script = (
        f"{clang}24-clang a.c -o a && {clang}-clang -E -P a.c && {gnu}-readelf -h -l a"
        " && find /opt/android -name 'clang' -type f -o -path '*riscv64*'"
    )
    said = line.run("run", "--mount", tmp_path, "mine", "--", "sh", "-c", script).stdout
    assert "int level = 24;" in said
    assert machine in said
    assert "/system/bin/linker" in said
    assert "/opt/android" not in said, "nothing of the NDK's compiler, nor of other architectures"
    line.run("render", "mine")
    labels = [word for word in (line.folder / "images/mine/Dockerfile").read_text().split() if "private" in word]
    assert labels == [f"dev.imagefab.private={zipped.name}"] * 2, "on both host platforms"


@pytest.mark.prove
def test_an_ndk_can_be_bound_and_one_without_the_api_level_is_refused(
    warm: CommandLine, project: Callable[..., Path], tmp_path: Path
) -> None:
    triple = "aarch64-linux-android"
    line = warm.at(project(RECIPE.format(triple=triple), "plain"))
    line.run("lock", "plain")
    line.run("build", "plain")
    zipped = build_ndk(line, triple, tmp_path / "ndk")
    parts = tmp_path / "ndk" / PREBUILT
    bound = (
        f"--bind={parts}/sysroot:/opt/android/NDK/sysroot",
        f"--bind={parts}/lib/clang/18/lib/linux:/opt/android/NDK/clang/lib/linux",
    )
    report = line.check("plain", *bound)
    assert report["ok"], report
    assert list_probes(report, "pass") >= {"c", "c++", "shared", "cmake", "bindgen"}
    (tmp_path / "a.cc").write_text("#include <iostream>\nint main() { std::cout << 42 << std::endl; }\n")
    script = "$CXX_aarch64_linux_android a.cc -o a && aarch64-linux-android-readelf -d a"
    said = line.run("run", "--mount", tmp_path, *bound, "plain", "--", "sh", "-c", script).stdout
    assert "libc++_shared.so" in said
    project(RECIPE.format(triple=triple) + f'[options]\nndk = "{zipped.name}"\napi = 33\n', "mine")
    line.run("lock", "mine")
    refused = line.run("build", "mine", code=5)
    assert "has no API level 33 for aarch64-linux-android; it has 21 24" in refused.stderr
