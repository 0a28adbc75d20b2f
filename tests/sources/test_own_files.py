"""Files that the user provides: what is pinned, and the errors when they are not what they should be."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.sources.conftest import MakeFetcher

from imagefab.digest import Digest
from imagefab.errors import FetchError, OwnFileError, RecipeError
from imagefab.oci.store import Store
from imagefab.platforms import AMD64
from imagefab.recipe.model import OwnFileSpec
from imagefab.sources.gather import WantedSource, fetch_sources
from imagefab.sources.own import has_changed, pin_own_file


def write_tarball(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:xz") as tarball:
        for name in names:
            tarball.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


def write_zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"")
    return path


def make_spec(path: Path, *tops: str) -> OwnFileSpec:
    return OwnFileSpec(name=path.name, path=str(path), tops=tops)


@pytest.mark.parametrize("names", [["s.sdk/x"], ["./s.sdk/x"], [".", "./._s.sdk", "./s.sdk/x"], ["._s.sdk", "s.sdk"]])
def test_files_that_macos_adds_do_not_count(names: list[str], store: Store, tmp_path: Path) -> None:
    path = write_tarball(tmp_path / "s.sdk.tar.xz", *names)
    assert pin_own_file(store, make_spec(path, "s.sdk"), None) == Digest.of_bytes(path.read_bytes())
    packed = write_zip(tmp_path / "s.zip", "__MACOSX/x", "s.sdk/x")
    pin_own_file(store, make_spec(packed, "s.sdk"), None)


def test_a_tarball_with_another_folder(store: Store, tmp_path: Path) -> None:
    path = write_tarball(tmp_path / "s.sdk.tar.xz", "other/x")
    with pytest.raises(OwnFileError, match=r"should have the folder s\.sdk in it, and has other") as caught:
        pin_own_file(store, make_spec(path, "s.sdk"), None)
    assert caught.value.path == str(path)
    assert caught.value.hint == "name the file after what is in it, or pack it anew: tar -cJf s.sdk.tar.xz s.sdk"
    with pytest.raises(OwnFileError) as unnamed:
        pin_own_file(store, make_spec(path, "crt", "sdk/x"), None)
    assert unnamed.value.hint == "pack it anew: tar -cJf s.sdk.tar.xz crt sdk/x"


@pytest.mark.parametrize("name", ["x.tar.xz", "x.zip"])
def test_the_error_about_a_broken_archive_is_one_line(name: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"nothing of the sort")
    with pytest.raises(OwnFileError) as caught:
        pin_own_file(store, make_spec(tmp_path / name, "x"), None)
    assert "\n" not in caught.value.problem


def test_a_missing_file_keeps_its_pin(store: Store, tmp_path: Path) -> None:
    spec, known = make_spec(tmp_path / "gone"), Digest.of_bytes(b"known")
    with pytest.raises(OwnFileError, match="is not there"):
        pin_own_file(store, spec, None)
    assert pin_own_file(store, spec, known) == known
    assert not has_changed(spec, known)


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_bytes(b"one")
    assert not has_changed(make_spec(path), Digest.of_bytes(b"one"))
    assert has_changed(make_spec(path), Digest.of_bytes(b"two"))


def test_who_has_the_lock_need_not_have_the_file(tmp_path: Path, make_fetcher: MakeFetcher, store: Store) -> None:
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


def test_a_zip_file_with_another_folder_than_its_name_says(tmp_path: Path, store: Store) -> None:
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
def test_a_path_that_is_no_file(place: str, tmp_path: Path, store: Store) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecipeError, match=r"is not there|no plain file"):
        pin_own_file(store, OwnFileSpec(name="x", path=str(tmp_path / place)), None)
