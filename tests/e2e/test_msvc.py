"""Windows by Microsoft's conventions, with a small SDK of the tests' own in the place of Microsoft's."""

from __future__ import annotations

import hashlib
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine, list_probes
from tests.e2e.support.windows_sdk import list_build_command, pack_sdk, write_sdk_sources

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

RECIPE = """\
description = "Windows"
target = "{arch}-pc-windows-msvc"
kind = "msvc"
base = "trixie"
"""
CODE_C = """\
#include <stdio.h>
int main(void)
{
    puts("from a program of MSVC's sort");
    return 42;
}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and where it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def build_plain(warm: CommandLine, project: Callable[..., Path], arch: str) -> CommandLine:
    line = warm.at(project(RECIPE.format(arch=arch), "plain"))
    line.run("lock", "plain")
    line.run("build", "plain")
    return line


def build_sdk(line: CommandLine, arch: str, folder: Path, path: Path) -> Path:
    """The tarball, made with the image `plain` of a project."""
    write_sdk_sources(folder)
    line.run("run", "--mount", folder, "plain", "--", *list_build_command(arch))
    return pack_sdk(folder, path)


@pytest.mark.prove
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_an_image_with_an_sdk(arch: str, warm: CommandLine, project: Callable[..., Path], tmp_path: Path) -> None:
    line = build_plain(warm, project, arch)
    sdk = build_sdk(line, arch, tmp_path / "sdk", tmp_path / "splat.tar.gz")
    project(RECIPE.format(arch=arch) + f'[options]\nsdk = "{sdk}"\n', "mine")
    line.run("lock", "mine")
    lock = (line.folder / "images" / "mine" / "imagefab.lock").read_text()
    assert 'name = "splat.tar.gz"' in lock
    assert str(tmp_path) not in lock
    sdk.unlink()
    line.run("build", "mine")
    report = line.check("mine")
    assert report["ok"], report
    assert list_probes(report, "pass") >= {
        "tools",
        "resources",
        "c",
        "c-static",
        "shared",
        "c++",
        "cmake",
        "bindgen",
        "variables",
    }
    (tmp_path / "code.c").write_text(CODE_C)
    script = f"$CC_{arch}_pc_windows_msvc /nologo code.c && llvm-readobj --file-headers code.exe"
    said = line.run("run", "--mount", tmp_path, "mine", "--", "sh", "-c", script).stdout
    assert {"x86_64": "IMAGE_FILE_MACHINE_AMD64", "aarch64": "IMAGE_FILE_MACHINE_ARM64"}[arch] in said
    if arch == "x86_64":
        ran = line.run("run", "--mount", tmp_path, "mine", "--", "/wine-runner", "./code.exe", code=42)
        assert ran.stdout.splitlines() == ["from a program of MSVC's sort"]
    line.run("render", "mine")
    labels = [word for word in (line.folder / "images/mine/Dockerfile").read_text().split() if "private" in word]
    assert labels == ["dev.imagefab.private=splat.tar.gz"] * 2, "on both host platforms"


@pytest.mark.prove
def test_an_sdk_from_the_web_is_held_to_its_digest(
    warm: CommandLine, project: Callable[..., Path], tmp_path: Path, server: tuple[Path, str]
) -> None:
    folder, address = server
    line = build_plain(warm, project, "x86_64")
    sdk = build_sdk(line, "x86_64", tmp_path / "sdk", folder / "splat.tar.gz")
    digest = hashlib.sha256(sdk.read_bytes()).hexdigest()
    options = f'[options]\nsdk-url = "{address}/splat.tar.gz"\nsdk-sha256 = "{digest}"\n'
    project(RECIPE.format(arch="x86_64") + options, "mine")
    line.run("lock", "mine")
    content = sdk.read_bytes()
    sdk.write_bytes(content[:-1] + b"x")
    assert "splat.tar.gz" in line.run("build", "mine", code=6).stderr
    sdk.write_bytes(content)
    line.run("build", "mine")
    line.run("render", "mine")
    assert "dev.imagefab.private=splat.tar.gz" in (line.folder / "images/mine/Dockerfile").read_text()
    (tmp_path / "code.c").write_text(CODE_C)
    line.run("run", "--mount", tmp_path, "mine", "--", "sh", "-c", "$CC_x86_64_pc_windows_msvc /MT /nologo code.c")
    ran = line.run("run", "--mount", tmp_path, "mine", "--", "/wine-runner", "./code.exe", code=42)
    assert ran.stdout.splitlines() == ["from a program of MSVC's sort"]


@pytest.mark.prove
def test_an_sdk_can_be_bound(warm: CommandLine, project: Callable[..., Path], tmp_path: Path) -> None:
    line = build_plain(warm, project, "x86_64")
    build_sdk(line, "x86_64", tmp_path / "sdk", tmp_path / "splat.tar.gz")
    bound = f"--bind={tmp_path / 'sdk'}:/opt/msvc/SDK"
    report = line.check("plain", bound)
    assert report["ok"], report
    assert list_probes(report, "pass") >= {"c", "c-static", "shared", "c++", "cmake", "bindgen"}
    (tmp_path / "code.c").write_text(CODE_C)
    script = "$CC_x86_64_pc_windows_msvc /nologo code.c && env -i /wine-runner ./code.exe"
    ran = line.run("run", "--mount", tmp_path, bound, "plain", "--", "sh", "-c", script, code=42)
    assert ran.stdout.splitlines()[-1] == "from a program of MSVC's sort"


def test_an_sdk_of_another_layout_or_architecture_is_refused(
    warm: CommandLine, project: Callable[..., Path], tmp_path: Path
) -> None:
    line = build_plain(warm, project, "aarch64")
    write_sdk_sources(tmp_path / "sdk")
    pack_sdk(tmp_path / "sdk", line.folder / "splat.tar.gz")
    project(RECIPE.format(arch="aarch64") + '[options]\nsdk = "splat.tar.gz"\n', "mine")
    line.run("lock", "mine")
    refused = line.run("build", "mine", code=5)
    assert "splat.tar.gz has no crt/lib/aarch64 in it, as xwin's splat has" in refused.stderr
    (tmp_path / "sdk").rename(tmp_path / "kits")
    with tarfile.open(line.folder / "splat.tar.gz", "w:gz") as tarball:
        tarball.add(tmp_path / "kits", "Windows Kits")
    wrong = line.run("lock", "mine", code=3)
    assert "should have the folder crt or sdk in it, and has Windows Kits" in wrong.stderr
