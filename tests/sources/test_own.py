"""Files that the user has: what is pinned, and what is told when they are not what they should be."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.errors import OwnFileError
from imagefab.oci.store import Store
from imagefab.recipe.model import OwnFileSpec
from imagefab.sources.own import has_changed, pin_own_file


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


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
def test_the_first_folder_counts_and_what_macs_put_beside_it_does_not(
    names: list[str], store: Store, tmp_path: Path
) -> None:
    path = write_tarball(tmp_path / "s.sdk.tar.xz", *names)
    assert pin_own_file(store, make_spec(path, "s.sdk"), None) == Digest.of_bytes(path.read_bytes())
    packed = write_zip(tmp_path / "s.zip", "__MACOSX/x", "s.sdk/x")
    pin_own_file(store, make_spec(packed, "s.sdk"), None)


def test_another_folder(store: Store, tmp_path: Path) -> None:
    path = write_tarball(tmp_path / "s.sdk.tar.xz", "other/x")
    with pytest.raises(OwnFileError, match=r"should have the folder s\.sdk in it, and has other") as caught:
        pin_own_file(store, make_spec(path, "s.sdk"), None)
    assert caught.value.path == str(path)
    assert caught.value.hint == "name the file after what is in it, or pack it anew: tar -cJf s.sdk.tar.xz s.sdk"
    with pytest.raises(OwnFileError) as unnamed:
        pin_own_file(store, make_spec(path, "crt", "sdk/x"), None)
    assert unnamed.value.hint == "pack it anew: tar -cJf s.sdk.tar.xz crt sdk/x"


@pytest.mark.parametrize("name", ["x.tar.xz", "x.zip"])
def test_no_archive_is_told_in_one_line(name: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"nothing of the sort")
    with pytest.raises(OwnFileError) as caught:
        pin_own_file(store, make_spec(tmp_path / name, "x"), None)
    assert "\n" not in caught.value.problem


def test_where_nothing_is(store: Store, tmp_path: Path) -> None:
    spec, known = make_spec(tmp_path / "gone"), Digest.of_bytes(b"known")
    with pytest.raises(OwnFileError, match="is not there"):
        pin_own_file(store, spec, None)
    assert pin_own_file(store, spec, known) == known
    assert not has_changed(spec, known)


def test_a_change_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_bytes(b"one")
    assert not has_changed(make_spec(path), Digest.of_bytes(b"one"))
    assert has_changed(make_spec(path), Digest.of_bytes(b"two"))
