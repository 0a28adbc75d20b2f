"""The build context on disk: every input at its path, readable, with the epoch as its time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sample_recipe import EPOCH, pin

from imagefab.digest import Digest
from imagefab.plan.context import write_context
from imagefab.plan.model import BlobContent, BytesContent, ExtractContent, Input, RootfsContent
from imagefab.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store")
    yield made
    made.close()


@pytest.mark.parametrize("link", [True, False])
def test_inputs_of_all_kinds(tmp_path: Path, store: Store, link: bool) -> None:
    blob = store.write_blob(b"blob")
    package = pin("qemu-user", "linux/amd64")
    derived = tmp_path / "derived"
    derived.write_bytes(b"derived")
    inputs = [
        Input(path="a/bytes", content=BytesContent(data=b"bytes")),
        Input(path="a/b/blob", content=BlobContent(sha256=blob)),
        Input(path="extract", content=ExtractContent(package=package, member="/x")),
        Input(path="rootfs.tar", content=RootfsContent(packages=(package,))),
    ]
    folder = tmp_path / "context"
    write_context(folder, inputs, epoch=EPOCH, store=store, materialise=lambda _: derived, link=link)
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == {
        "a/bytes": b"bytes", "a/b/blob": b"blob", "extract": b"derived", "rootfs.tar": b"derived",
    }  # fmt: skip
    assert (found["a/b/blob"].stat().st_ino == store.blob_path(blob).stat().st_ino) == link
    for given in inputs:
        status = found[given.path].stat()
        if not (link and given.path == "a/b/blob"):
            assert (status.st_mode & 0o7777, int(status.st_mtime)) == (0o644, EPOCH)
    assert store.check_blob(blob)


def test_other_content_has_another_mtime(tmp_path: Path, store: Store) -> None:
    """Of the same size at the same path, it would be taken for the same. And the same content always has the same."""
    times = []
    for number, data in enumerate((b"one", b"two", b"one")):
        inputs = [Input(path="x", content=BytesContent(data=data))]
        folder = tmp_path / str(number)
        write_context(folder, inputs, epoch=EPOCH, store=store, materialise=pytest.fail, link=True)  # type: ignore[arg-type]
        times.append((folder / "x").stat().st_mtime_ns)
    assert times[0] == times[2] != times[1]


def test_a_copy_can_be_changed_without_harm_to_the_store(tmp_path: Path, store: Store) -> None:
    blob = store.write_blob(b"blob")
    inputs = [Input(path="x", content=BlobContent(sha256=blob))]
    write_context(tmp_path / "c", inputs, epoch=EPOCH, store=store, materialise=pytest.fail, link=False)  # type: ignore[arg-type]
    (tmp_path / "c" / "x").write_bytes(b"changed")
    assert store.read_blob(blob) == b"blob"


def test_a_blob_missing_in_the_store_is_an_error(tmp_path: Path, store: Store) -> None:
    inputs = [Input(path="x", content=BlobContent(sha256=Digest.of_bytes(b"gone")))]
    with pytest.raises(FileNotFoundError):
        write_context(tmp_path / "c", inputs, epoch=EPOCH, store=store, materialise=pytest.fail, link=True)  # type: ignore[arg-type]
