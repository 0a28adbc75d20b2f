"""Wheels that the real pip downloads, from a folder in the place of an index."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.errors import FetchError
from imagefab.fetch.fetcher import Fetcher
from imagefab.fetch.gather import WantedSource, fetch_sources
from imagefab.fetch.wheels import pin_wheel
from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import WheelSpec
from imagefab.store.store import Store

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


def test_an_index_that_never_ends(index: Path, make_fetcher: MakeFetcher) -> None:
    write_wheel(index, "manylinux_2_12_x86_64")
    with pytest.raises(FetchError, match="pip did not finish in"):
        pin_wheel(make_fetcher(whole=0.01, slowest=1 << 50), TOOL, AMD64)
