"""Files that the user provides: what is pinned, and the errors when they are not what they should be."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.small_archive import MakeFetcher

from imagefab.digest import Digest
from imagefab.errors import FetchError, OwnFileError, RecipeError
from imagefab.fetch.gather import WantedSource, fetch_sources
from imagefab.fetch.own import OwnFiles, fetch_own_file, has_changed, pin_own_file
from imagefab.platforms import AMD64
from imagefab.recipe.model import OwnFileSpec
from imagefab.store.store import Store


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
    assert pin_own_file(store, make_spec(path, "s.sdk"), None, OwnFiles(project=tmp_path)) == Digest.of_bytes(
        path.read_bytes()
    )
    packed = write_zip(tmp_path / "s.zip", "__MACOSX/x", "s.sdk/x")
    pin_own_file(store, make_spec(packed, "s.sdk"), None, OwnFiles(project=tmp_path))


def test_a_tarball_with_another_folder(store: Store, tmp_path: Path) -> None:
    path = write_tarball(tmp_path / "s.sdk.tar.xz", "other/x")
    with pytest.raises(OwnFileError, match=r"should have the folder s\.sdk in it, and has other") as caught:
        pin_own_file(store, make_spec(path, "s.sdk"), None, OwnFiles(project=tmp_path))
    assert caught.value.path == str(path)
    assert caught.value.hint == "name the file after what is in it, or pack it anew: tar -cJf s.sdk.tar.xz s.sdk"
    with pytest.raises(OwnFileError) as unnamed:
        pin_own_file(store, make_spec(path, "crt", "sdk/x"), None, OwnFiles(project=tmp_path))
    assert unnamed.value.hint == "pack it anew: tar -cJf s.sdk.tar.xz crt sdk/x"


@pytest.mark.parametrize("name", ["x.tar.xz", "x.zip"])
def test_the_error_about_a_broken_archive_is_one_line(name: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"nothing of the sort")
    with pytest.raises(OwnFileError) as caught:
        pin_own_file(store, make_spec(tmp_path / name, "x"), None, OwnFiles(project=tmp_path))
    assert "\n" not in caught.value.problem


def test_a_missing_file_keeps_its_pin(store: Store, tmp_path: Path) -> None:
    spec, known = make_spec(tmp_path / "gone"), Digest.of_bytes(b"known")
    with pytest.raises(OwnFileError, match="does not exist"):
        pin_own_file(store, spec, None, OwnFiles(project=tmp_path))
    assert pin_own_file(store, spec, known, OwnFiles(project=tmp_path)) == known
    assert not has_changed(spec, known, OwnFiles(project=tmp_path))


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_bytes(b"one")
    assert not has_changed(make_spec(path), Digest.of_bytes(b"one"), OwnFiles(project=tmp_path))
    assert has_changed(make_spec(path), Digest.of_bytes(b"two"), OwnFiles(project=tmp_path))


def test_who_has_the_lock_need_not_have_the_file(tmp_path: Path, make_fetcher: MakeFetcher, store: Store) -> None:
    path = tmp_path / "sdk.tar"
    path.write_bytes(b"first")
    spec = OwnFileSpec(name="sdk.tar", path=str(path))
    first = pin_own_file(store, spec, None, OwnFiles(project=tmp_path))
    assert first == Digest.of_bytes(b"first")
    path.unlink()
    assert pin_own_file(store, spec, first, OwnFiles(project=tmp_path)) == first, (
        "who has the lock need not have the file"
    )
    wanted = WantedSource(source=spec, platform=AMD64, digest=first)
    fetch_sources(make_fetcher(offline=True, own_files=OwnFiles(project=tmp_path)), [wanted])
    store.drop_blob(first)
    with pytest.raises(FetchError, match=r"sdk\.tar does not exist") as caught:
        fetch_sources(make_fetcher(own_files=OwnFiles(project=tmp_path)), [wanted])
    assert first.hex in (caught.value.hint or "")
    path.write_bytes(b"second")
    with pytest.raises(FetchError, match="not the file that the lock names"):
        fetch_sources(make_fetcher(own_files=OwnFiles(project=tmp_path)), [wanted])
    assert pin_own_file(store, spec, first, OwnFiles(project=tmp_path)) == Digest.of_bytes(b"second")


def test_a_zip_file_with_another_folder_than_its_name_says(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "ndk-r27.zip"
    spec = OwnFileSpec(name=path.name, path=str(path), tops=("ndk-r27",))
    path.write_bytes(b"no zip file")
    with pytest.raises(RecipeError, match=r"ndk-r27\.zip is not a zip file"):
        pin_own_file(store, spec, None, OwnFiles(project=tmp_path))
    for top in ("ndk-r26", "ndk-r27"):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(f"{top}/source.properties", "")
        if top == "ndk-r26":
            with pytest.raises(RecipeError, match=r"should have the folder ndk-r27 in it, and has ndk-r26") as caught:
                pin_own_file(store, spec, None, OwnFiles(project=tmp_path))
            assert "zip -ry ndk-r27.zip ndk-r27" in (caught.value.hint or "")
    assert pin_own_file(store, spec, None, OwnFiles(project=tmp_path)) == Digest.of_bytes(path.read_bytes())


@pytest.mark.parametrize("place", ["missing", ".", "pipe"])
def test_a_path_that_is_no_file(place: str, tmp_path: Path, store: Store) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecipeError, match=r"does not exist|not a regular file"):
        pin_own_file(store, OwnFileSpec(name="x", path=str(tmp_path / place)), None, OwnFiles(project=tmp_path))


def take(store: Store, path: Path, project: Path, *allowed: Path) -> Digest:
    return pin_own_file(store, make_spec(path), None, OwnFiles(project=project, allowed=allowed))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with links that a stranger might put there, beside a file that is nothing to the stranger."""
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "secret").write_text("secret")
    (root / "mine").write_text("mine")
    (root / "in").symlink_to("mine")
    (root / "out").symlink_to("../secret")
    (root / "up").symlink_to("..")
    (root / "circle").symlink_to("circle")
    return root


def test_what_is_inside_the_project_is_taken(project: Path, tmp_path: Path, store: Store) -> None:
    for name in ("mine", "in", "./mine", "up/project/mine", "../project/mine"):
        assert take(store, project / name, project) == Digest.of_bytes(b"mine")
    (tmp_path / "by").symlink_to(project)
    assert take(store, tmp_path / "by" / "mine", tmp_path / "by") == Digest.of_bytes(b"mine")


@pytest.mark.parametrize(
    "name", ["out", "../secret", "up/secret", "/etc/hostname", "/etc/shadow", "/proc/self/root/etc/hostname"]
)
def test_what_is_outside_is_refused_unless_it_is_allowed(
    name: str, project: Path, tmp_path: Path, store: Store
) -> None:
    spec = make_spec(project / name)
    files = OwnFiles(project=project)
    for use in (
        lambda: pin_own_file(store, spec, None, files),
        lambda: pin_own_file(store, spec, Digest.of_bytes(b"known"), files),
        lambda: fetch_own_file(store, spec, Digest.of_bytes(b"secret"), files),
        lambda: has_changed(spec, Digest.of_bytes(b"secret"), files),
    ):
        with pytest.raises(OwnFileError, match="outside of the project") as caught:
            use()
        assert caught.value.path == spec.path
        assert "--allow-file" in (caught.value.hint or "")
    assert not store.has_blob(Digest.of_bytes(b"secret"))
    if "secret" in str((project / name).resolve()):
        for allowed in (tmp_path / "secret", tmp_path):
            assert take(store, project / name, project, allowed) == Digest.of_bytes(b"secret")
        with pytest.raises(OwnFileError, match="outside"):
            take(store, project / name, project, tmp_path / "secr")


def test_what_git_keeps_is_refused(project: Path, store: Store) -> None:
    """There may be logins in it."""
    (project / ".git").mkdir()
    (project / ".git/config").write_text("[remote]\n")
    with pytest.raises(OwnFileError, match="belongs to git"):
        take(store, project / ".git/config", project)


@pytest.mark.timeout(20)
def test_what_is_no_file_is_refused_at_once(project: Path, tmp_path: Path, store: Store) -> None:
    """Even where it is allowed: nothing is waited for, and what the kernel makes up is no file."""
    os.mkfifo(project / "pipe")
    for name in (
        "/dev/zero",
        "/dev/tty",
        "/proc/kmsg",
        "/proc/self/environ",
        "/sys/kernel/notes",
        "pipe",
        ".",
        "circle",
    ):
        with pytest.raises(OwnFileError, match=r"not a regular file|outside of the project|can't be read"):
            take(store, project / name, project, Path("/"))


def test_an_sdk_may_lie_anywhere_under_its_own_name(project: Path, tmp_path: Path, store: Store) -> None:
    path = write_tarball(tmp_path / "s.sdk.tar.xz", "s.sdk/x")
    spec = OwnFileSpec(name=path.name, path=str(path), tops=("s.sdk",))
    files = OwnFiles(project=project)
    assert pin_own_file(store, spec, None, files) == Digest.of_bytes(path.read_bytes())
    (project / path.name).symlink_to(path)
    linked = replace(spec, path=str(project / path.name))
    assert pin_own_file(store, linked, None, files) == Digest.of_bytes(path.read_bytes())
    (project / path.name).unlink()
    (project / path.name).symlink_to("../secret")
    with pytest.raises(OwnFileError, match=rf"a link to {tmp_path}/secret, outside of the project"):
        pin_own_file(store, linked, None, files)


def test_what_is_opened_is_what_was_looked_at(project: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two, a folder may become a link."""
    from imagefab.fetch import own

    (project / "folder").mkdir()
    (project / "folder" / "secret").write_text("mine")
    look = own.OwnFiles.has

    def look_and_swap(self: OwnFiles, real: Path) -> bool:
        found = look(self, real)
        (project / "folder").rename(project / "moved")
        (project / "folder").symlink_to("..")
        return found

    monkeypatch.setattr(own.OwnFiles, "has", look_and_swap)
    with pytest.raises(OwnFileError, match="changed while it was read"):
        take(store, project / "folder" / "secret", project)
    assert not store.has_blob(Digest.of_bytes(b"secret"))
