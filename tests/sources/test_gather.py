"""Wheels through the real pip, from a folder in the index's place; and files that the user has."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.errors import FetchError, RecipeError
from imagefab.oci.store import Store
from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import OwnFileSpec, WheelSpec
from imagefab.sources.fetch import Fetcher
from imagefab.sources.gather import WantedSource, fetch_sources
from imagefab.sources.own import pin_own_file
from imagefab.sources.wheels import pin_wheel

MakeFetcher = Callable[..., Fetcher]
TOOL = WheelSpec(name="tool.whl", project="tool", version="1.5")


def write_wheel(folder: Path, platform: str, version: str = "1.5") -> Digest:
    path = folder / f"tool-{version}-py3-none-{platform}.whl"
    info = f"tool-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tool\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-{platform}\n")
        wheel.writestr(f"{info}/RECORD", "")
        wheel.writestr("tool", platform)
    return Digest.of_bytes(path.read_bytes())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_each_host_platform_has_its_own_wheel(index: Path, make_fetcher: MakeFetcher, store: Store) -> None:
    amd64 = write_wheel(index, "manylinux_2_12_x86_64.manylinux2010_x86_64")
    arm64 = write_wheel(index, "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64")
    write_wheel(index, "macosx_12_0_arm64")
    write_wheel(index, "manylinux_2_12_x86_64", "1.6")
    assert (pin_wheel(make_fetcher(), TOOL, AMD64), pin_wheel(make_fetcher(), TOOL, ARM64)) == (amd64, arm64)
    for path in index.iterdir():
        path.unlink()
    assert pin_wheel(make_fetcher(offline=True), TOOL, AMD64) == amd64, "it is known by its version"
    assert store.check_blob(amd64)
    assert store.check_blob(arm64)


def test_a_wheel_that_is_there_is_not_asked_for(index: Path, make_fetcher: MakeFetcher) -> None:
    digest = write_wheel(index, "manylinux_2_12_x86_64")
    wanted = WantedSource(source=TOOL, platform=AMD64, digest=digest)
    with pytest.raises(FetchError, match=r"tool 1\.5 for linux/amd64 is not in the store"):
        fetch_sources(make_fetcher(offline=True), [wanted])
    fetch_sources(make_fetcher(), [wanted])
    (index / "tool-1.5-py3-none-manylinux_2_12_x86_64.whl").unlink()
    fetch_sources(make_fetcher(offline=True), [wanted])


def test_another_wheel_than_the_lock_names(index: Path, make_fetcher: MakeFetcher, store: Store) -> None:
    served = write_wheel(index, "any")
    wanted = WantedSource(source=TOOL, platform=AMD64, digest=Digest.of_bytes(b"other"))
    with pytest.raises(FetchError, match=f"serves a file with sha256 {served.hex}"):
        fetch_sources(make_fetcher(), [wanted])
    assert not store.has_blob(served)
    assert not list(store.scratch_folder().glob("*.wheel"))


@pytest.mark.usefixtures("index")
def test_a_wheel_that_no_index_has(make_fetcher: MakeFetcher) -> None:
    with pytest.raises(FetchError, match=r"No matching distribution found for tool==1\.5") as caught:
        pin_wheel(make_fetcher(), TOOL, AMD64)
    assert "pip index versions tool" in (caught.value.hint or "")


def test_a_file_of_the_users(tmp_path: Path, make_fetcher: MakeFetcher, store: Store) -> None:
    path = tmp_path / "sdk.tar"
    path.write_bytes(b"first")
    spec = OwnFileSpec(name="sdk.tar", path=str(path))
    first = pin_own_file(store, spec, None)
    assert first == Digest.of_bytes(b"first")
    path.unlink()
    assert pin_own_file(store, spec, first) == first, "who has the lock need not have the file"
    wanted = WantedSource(source=spec, platform=AMD64, digest=first)
    fetch_sources(make_fetcher(offline=True), [wanted])
    store.drop_blob(first)
    with pytest.raises(FetchError, match=r"sdk\.tar is not there") as caught:
        fetch_sources(make_fetcher(), [wanted])
    assert first.hex in (caught.value.hint or "")
    path.write_bytes(b"second")
    with pytest.raises(FetchError, match="not the file that the lock names"):
        fetch_sources(make_fetcher(), [wanted])
    assert pin_own_file(store, spec, first) == Digest.of_bytes(b"second")


def test_a_zip_file_that_is_not_what_its_name_says(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "ndk-r27.zip"
    spec = OwnFileSpec(name=path.name, path=str(path), tops=("ndk-r27",))
    path.write_bytes(b"no zip file")
    with pytest.raises(RecipeError, match=r"ndk-r27\.zip is no zip file"):
        pin_own_file(store, spec, None)
    for top in ("ndk-r26", "ndk-r27"):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(f"{top}/source.properties", "")
        if top == "ndk-r26":
            with pytest.raises(RecipeError, match=r"should have the folder ndk-r27 in it, and has ndk-r26") as caught:
                pin_own_file(store, spec, None)
            assert "zip -ry ndk-r27.zip ndk-r27" in (caught.value.hint or "")
    assert pin_own_file(store, spec, None) == Digest.of_bytes(path.read_bytes())


@pytest.mark.parametrize("place", ["missing", ".", "pipe"])
def test_what_is_no_file(place: str, tmp_path: Path, store: Store) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecipeError, match=r"is not there|no plain file"):
        pin_own_file(store, OwnFileSpec(name="x", path=str(tmp_path / place)), None)
