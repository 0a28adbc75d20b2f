"""macOS, with a small SDK of the tests' own in the place of Apple's."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.support.command_line import CommandLine, list_probes
from tests.e2e.support.macos_sdk import NAME, make_sdk
from tests.e2e.support.rust import Rust

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

RECIPE = """\
description = "macOS"
target = "{target}"
kind = "osxcross"
base = "trixie"

[options]
sdk = "{sdk}"
"""


@pytest.mark.prove
@pytest.mark.parametrize("target", ["aarch64-apple-darwin", "x86_64-apple-darwin"])
def test_an_image_with_an_sdk(
    target: str,
    warm: CommandLine,
    project: Callable[[str, str], Path],
    tmp_path: Path,
    registry: str,
    unique: str,
) -> None:
    sdk = make_sdk(tmp_path)
    folder = project(RECIPE.format(target=target, sdk=sdk), "macos")
    line = warm.at(folder)
    line.run("lock")
    lock = (folder / "images" / "macos" / "imagefab.lock").read_text()
    assert f'name = "{sdk.name}"' in lock
    assert str(tmp_path) not in lock, "where the file lies is nobody else's business"
    sdk.unlink()
    line.run("build", "macos")
    report = line.check("macos")
    assert report["ok"], report
    assert list_probes(report, "pass") >= {
        "tools",
        "oldest-macos",
        "c",
        "c++",
        "shared",
        "framework",
        "cmake",
        "bindgen",
        "variables",
    }
    short = "oa64" if target.startswith("aarch64") else "o64"
    programs = f"{short}-clang {target}24-clang++ {target}-clang {target}24-ar {target}24-lipo lipo xcrun"
    line.run("run", "--mount", tmp_path, "macos", "--", "sh", "-c", f"for p in {programs}; do command -v $p; done")
    found = line.run("run", "--mount", tmp_path, "macos", "--", "xcrun", "--sdk", "macosx", "--show-sdk-version")
    assert found.stdout == "15.0\n"
    line.run("render", "macos")
    labels = [word for word in (folder / "images" / "macos" / "Dockerfile").read_text().split() if "private" in word]
    assert labels == [f"dev.imagefab.private={sdk.name}"] * 2, "on both host platforms"
    share = f"{registry}/{unique}/layers"
    (folder / "imagefab.toml").write_text(f'[publish]\nlayers = "{share}"\n')
    given = line.run("build", "macos", "--push-layers").stderr
    image = line.build("macos")
    # A layer of the plan's is one or several of the image's, like `trixie` and `trixie (git)`.
    parts = [layer["name"].partition(" (")[0] for layer in image["platforms"]["linux/amd64"]["layers"]]
    names = list(dict.fromkeys(parts))
    free = names.index(next(name for name in names if "sdk" in name.lower()))
    assert f"macos: {free} layers pushed to {share}" in given
    assert f"macos: {len(names) - free} layers are not shared" in given
    tags = httpx.get(f"http://{registry}/v2/{unique}/layers/tags/list").json()["tags"]
    assert len(tags) == free
    refused = line.run("publish", "macos", "--to", f"{registry}/{unique}", code=2)
    assert sdk.name in refused.stderr
    assert "--private" in refused.stderr
    line.run("publish", "macos", "--to", f"{registry}/{unique}", "--private")


@pytest.mark.prove
@pytest.mark.parametrize("engine", ["sandbox", "docker", "podman"])
@pytest.mark.usefixtures("docker", "podman")
def test_an_sdk_can_be_bound(
    engine: str, warm: CommandLine, project: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """For commands and for a check, of which there is no record then; wherever the user has it."""
    home = tmp_path / 'an odd: "place", of one\'s own'
    home.mkdir()
    with tarfile.open(make_sdk(tmp_path)) as tarball:
        tarball.extractall(home, filter="data")
    recipe = RECIPE.partition("[options]")[0].format(target="aarch64-apple-darwin")
    line = warm.at(project(recipe, "macos"))
    line.run("lock")
    line.run("build", "macos")
    bound = f"--bind={home / NAME}:/opt/osxcross/SDK"
    report = line.check("macos", "--engine", engine, bound)
    assert report["ok"], report
    assert list_probes(report, "pass") >= {"c", "c++", "shared", "framework", "cmake", "bindgen"}
    assert line.json("show", "macos")["checked"] is None
    script = "echo 'int main(void) { return 0; }' >a.c && oa64-clang a.c -o a && test ! -w /opt/osxcross/SDK/usr"
    line.run("run", "--engine", engine, "--mount", home, bound, "macos", "--", "sh", "-euc", script)
    assert (home / "a").read_bytes()[:4] == b"\xcf\xfa\xed\xfe"


@pytest.mark.prove
def test_rust(warm: CommandLine, project: Callable[[str, str], Path], tmp_path: Path, full_rust: Rust) -> None:
    sdk = make_sdk(tmp_path)
    line = warm.at(project(RECIPE.format(target="aarch64-apple-darwin", sdk=sdk), "macos"))
    line.run("lock", "macos")
    line.run("build", "macos")
    assert "rust" in list_probes(line.check("macos", "--rust", full_rust.sysroot), "pass")


def test_a_file_that_is_not_what_its_name_says(
    warm: CommandLine, project: Callable[[str, str], Path], tmp_path: Path
) -> None:
    folder = project(RECIPE.format(target="aarch64-apple-darwin", sdk="sdks/MacOSX14.5.sdk.tar.gz"), "macos")
    line = warm.at(folder)
    (folder / "sdks").mkdir()
    missing = line.run("lock", code=3)
    assert "MacOSX14.5.sdk.tar.gz does not exist" in missing.stderr
    make_sdk(folder / "sdks", file_name="MacOSX14.5.sdk.tar.gz")
    wrong = line.run("lock", code=3)
    assert f"should have the folder MacOSX14.5.sdk in it, and has {NAME}" in wrong.stderr
    assert "hint: name the file after what is in it" in wrong.stderr
    make_sdk(folder / "sdks", file_name="MacOSX14.5.sdk.tar.gz", top="MacOSX14.5.sdk")
    line.run("lock")
    (folder / "recipes" / "macos.toml").write_text(RECIPE.format(target="aarch64-apple-darwin", sdk="sdks/sdk.zip"))
    named = line.run("lock", code=3)
    assert "recipes/macos.toml:7:7: error:" in named.stderr
