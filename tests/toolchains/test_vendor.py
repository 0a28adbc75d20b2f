"""Archives of vendors: as a file, by URL and digest, or missing; and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.errors import SeveralErrors
from imagefab.platforms import AMD64
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.model import OwnFileSpec, SourceSpec
from imagefab.recipe.project import find_shipped_project, open_project
from imagefab.toolchains.blueprint import Blueprint
from imagefab.toolchains.design import PRIVATE, RULES, design_image

SHA = "5" * 64
ANDROID = """\
description = "Android"
target = "aarch64-linux-android"
kind = "android"
base = "trixie"
[options]
"""
MSVC = ANDROID.replace("aarch64-linux-android", "x86_64-pc-windows-msvc").replace('"android"', '"msvc"')
URL = "https://example.org/ndk/android-ndk-r27c-linux.zip"


def design(folder: Path, text: str) -> Blueprint:
    shutil.copytree(find_shipped_project().bases_dir, folder / "recipes" / "bases")
    (folder / "recipes" / "mine.toml").write_text(text)
    (recipe,) = load_recipes(open_project(folder), RULES, ["mine"])
    return design_image(recipe, AMD64)


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        (ANDROID + 'ndk = "android-ndk-r27c-linux.zip"', "android-ndk-r27c-linux.zip", "{project}/{name}"),
        (ANDROID + 'ndk = "/big/android-ndk-r28-beta3-linux.zip"', "android-ndk-r28-beta3-linux.zip", "/big/{name}"),
        (MSVC + 'sdk = "vendor/xwin-17.tar.gz"', "xwin-17.tar.gz", "{project}/vendor/{name}"),
    ],
)
def test_a_file(text: str, name: str, place: str, tmp_path: Path) -> None:
    made = design(tmp_path, text)
    (source,) = made.layers[-2].sources
    assert isinstance(source, OwnFileSpec)
    assert (source.name, source.path) == (name, place.format(project=tmp_path, name=name))
    assert dict(made.labels)[PRIVATE] == name
    assert str(tmp_path) not in str(made.describe()), "where it lies is nobody else's business"


def test_a_url(tmp_path: Path) -> None:
    made = design(tmp_path, ANDROID + f'ndk-url = "{URL}"\nndk-sha256 = "{SHA}"')
    (source,) = made.layers[-2].sources
    assert source == SourceSpec(name="android-ndk-r27c-linux.zip", url=URL, sha256=Digest.parse(SHA))
    assert dict(made.labels)[PRIVATE] == source.name, "who serves it makes it nobody's"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (f'ndk-url = "{URL}"', "missing key `ndk-sha256`"),
        (f'ndk-sha256 = "{SHA}"', "missing key `ndk-url`"),
        (
            f'ndk = "android-ndk-r27c-linux.zip"\nndk-url = "{URL}"\nndk-sha256 = "{SHA}"',
            "`ndk` and `ndk-url` exclude each other",
        ),
        (f'ndk-url = "{URL}"\nndk-sha256 = "{SHA[1:]}"', "is not a value for `ndk-sha256`"),
        (f'ndk-url = "ftp://example.org/x.zip"\nndk-sha256 = "{SHA}"', "is not an http or https URL"),
        (f'ndk-url = "https://me:x@a.org/x.zip"\nndk-sha256 = "{SHA}"', "the URL has credentials in it"),
        (f'ndk-url = "https://example.org/ndk.zip"\nndk-sha256 = "{SHA}"', "is not a value for `ndk-url`"),
        ('ndk = "android-ndk-r27c-darwin.zip"', "is not a value for `ndk`"),
        ('ndk = "android-ndk-r21e-linux-x86_64.zip"', "is not a value for `ndk`"),
        ('ndk = ""', "is not a value for `ndk`"),
        ("api = 19", "expected 21 or more, found 19"),
    ],
)
def test_what_is_refused(options: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(SeveralErrors) as caught:
        design(tmp_path, ANDROID + options)
    (error,) = caught.value.errors
    assert problem in error.problem
    assert error.position is not None
    assert error.position.line is not None
