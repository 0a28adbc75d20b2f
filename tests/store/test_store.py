"""The store: complete or not there, damage is found, and processes keep out of each other's way."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.files.disk import StoreError
from imagefab.store.marker import MARKER
from imagefab.store.store import Store

KEY = Digest.of_bytes(b"key")


def run_python(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """Another process, with a store at the first argument."""
    imports = "import sys, os; from pathlib import Path; from imagefab.store.store import Store"
    head = f"{imports}; s = Store(Path(sys.argv[1]))\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + code, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=20)
    return out


# -- blobs ------------------------------------------------------------------------------------------------------------


def test_blobs_are_named_by_their_content(store: Store) -> None:
    digest = store.write_blob(b"content")
    assert digest == Digest.of_bytes(b"content")
    assert store.read_blob(digest) == b"content"
    with store.open_blob(digest) as file:
        assert file.read() == b"content"
    assert store.blob_path(digest).stat().st_mode & 0o777 == 0o444


def test_what_is_not_there(store: Store) -> None:
    assert not store.has_blob(KEY)
    assert not store.check_blob(KEY)
    assert store.read_record("layers", KEY) is None
    store.drop_blob(KEY)
    store.drop_record("layers", KEY)


def test_nothing_is_left_beside_a_blob(store: Store) -> None:
    digest = store.write_blob(b"content")
    store.write_blob(b"content")
    files = {path.relative_to(store.root).parts[0] for path in store.root.rglob("*") if path.is_file()}
    assert files == {MARKER, "blobs", "checked", "locks", "tmp"}
    assert [path.name for path in (store.root / "tmp").rglob("*") if path.is_file()] == ["lock"]
    assert [path.name for path in (store.root / "checked").iterdir()] == [digest.hex]


def test_a_flipped_byte_is_found(store: Store) -> None:
    digest = store.write_blob(b"content")
    path = store.blob_path(digest)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"C")
    assert store.has_blob(digest)
    assert not store.check_blob(digest)
    assert store.write_blob(b"content") == digest
    assert store.check_blob(digest), "written anew"


def test_a_flipped_byte_is_found_even_with_the_old_times(store: Store) -> None:
    """Whoever restores a file with its times cannot restore its change time."""
    digest = store.write_blob(b"content")
    path = store.blob_path(digest)
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"Content")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not store.check_blob(digest)


def test_touched_but_intact_is_accepted_and_remembered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = store.write_blob(b"content")
    os.utime(store.blob_path(digest), (1, 1))
    assert store.check_blob(digest)
    monkeypatch.setattr(
        "imagefab.store.store.digest_file", lambda path: pytest.fail("read although nothing touched it")
    )
    assert store.check_blob(digest)


@pytest.mark.parametrize("content", [b"", b"\0", b"nonsense", b"1 2 3 4"])
def test_a_damaged_memory_of_a_check_is_not_believed(store: Store, content: bytes) -> None:
    digest = store.write_blob(b"content")
    (store.root / "checked" / digest.hex).write_bytes(content)
    assert store.check_blob(digest)


def test_adopting_takes_the_file_and_replaces_a_damaged_one(store: Store) -> None:
    digest = store.write_blob(b"content")
    store.blob_path(digest).chmod(0o644)
    store.blob_path(digest).write_bytes(b"damaged")
    path = store.scratch_file()
    path.write_bytes(b"content")
    store.adopt_blob(path, digest)
    assert not path.exists()
    assert store.check_blob(digest)


def test_dropped_is_gone(store: Store) -> None:
    digest = store.write_blob(b"content")
    store.drop_blob(digest)
    assert not store.check_blob(digest)
    assert not list((store.root / "checked").iterdir())


# -- records ----------------------------------------------------------------------------------------------------------


def test_records(store: Store) -> None:
    store.write_record("layers", KEY, {"a": [1]})
    assert store.read_record("layers", KEY) == {"a": [1]}
    store.drop_record("layers", KEY)
    assert store.read_record("layers", KEY) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"a": 1'])
def test_damaged_records_are_as_good_as_none(store: Store, content: bytes) -> None:
    store.write_record("layers", KEY, {})
    (store.root / "layers" / f"{KEY.hex}.json").write_bytes(content)
    assert store.read_record("layers", KEY) is None


@pytest.mark.parametrize("place", ["/dev/null", "/dev/null/x", "/proc/x", "long", "circle"])
def test_places_where_no_store_can_be(place: str, tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    root = {"long": tmp_path / ("x" * 300), "circle": tmp_path / "circle"}.get(place, Path(place))
    store = Store(root)
    assert not store.has_blob(KEY)
    assert not store.check_blob(KEY)
    assert store.read_record("layers", KEY) is None
    for use in (store.scratch_folder, lambda: store.write_blob(b""), lambda: store.write_record("layers", KEY, {})):
        with pytest.raises(StoreError) as caught:
            use()
        assert str(root) in caught.value.problem
        assert "--store DIR" in (caught.value.hint or "")


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "store").write_blob(b"")
    assert "folder" in (caught.value.hint or "")


# -- scratch space ----------------------------------------------------------------------------------------------------


def test_scratch_space_goes_when_the_store_is_closed(store: Store) -> None:
    path = store.scratch_file(".x")
    assert path.suffix == ".x"
    assert path.parent == store.scratch_folder()
    store.close()
    assert not path.parent.exists()
    assert store.scratch_folder().is_dir(), "a closed store can be used again"


def test_leftovers_of_dead_processes_are_cleared_and_those_of_live_ones_stay(store: Store) -> None:
    live = run_python("print(s.scratch_file(), flush=True); sys.stdin.read()", store.root)
    assert live.stdout is not None
    kept = Path(live.stdout.readline().strip())
    left = Path(finish(run_python("print(s.scratch_file(), flush=True); os._exit(1)", store.root)).strip())
    no_lock = store.folder("tmp") / "run-nolock"
    no_lock.mkdir()
    (no_lock / "file").write_text("died before it had a lock")
    try:
        assert left.exists()
        own = store.scratch_file()
        assert own.exists()
        assert kept.exists()
        assert not left.parent.exists()
        assert not no_lock.exists()
    finally:
        finish(live)


def test_threads_share_one_scratch_folder(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Store._make_scratch

    def make_slowly(self: Store, parent: Path) -> tuple[Path, int]:
        time.sleep(0.02)
        return make(self, parent)

    monkeypatch.setattr(Store, "_make_scratch", make_slowly)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(store.scratch_folder())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    store.close()
    assert not any((store.root / "tmp").iterdir())
    with store.alone():
        pass


def test_many_processes_begin_at_once(store: Store) -> None:
    """None takes the folder that another one is just making for an abandoned one."""
    code = "import time; sys.stdin.readline(); p = s.scratch_file(); time.sleep(0.1); print(p.exists())"
    processes = [run_python(code, store.root) for _ in range(3)]
    assert [finish(process).strip() for process in processes] == ["True"] * 3


def test_a_new_folder_is_locked_before_others_may_look(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one process makes its folder, another one has to wait with its clearing."""
    from imagefab.store import store as module

    other = Store(store.root)
    clear = module._clear_abandoned
    waited = []

    def look(parent: Path, remove: object) -> None:
        thread = threading.Thread(target=lambda: waited.append(other.scratch_folder()))
        monkeypatch.setattr(module, "_clear_abandoned", clear)
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()

    monkeypatch.setattr(module, "_clear_abandoned", look)
    own = store.scratch_file()
    while not waited:
        time.sleep(0.01)
    assert own.exists()
    other.close()


def test_a_child_does_not_remove_its_parents_scratch_space(store: Store) -> None:
    path = store.scratch_file()
    child = multiprocessing.get_context("fork").Process(target=store.close)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert path.exists()


# -- locks ------------------------------------------------------------------------------------------------------------


def test_a_lock_is_waited_for_and_goes_with_its_process(store: Store) -> None:
    holder = run_python(
        "l = s.lock('x'); l.__enter__(); print('held', flush=True); sys.stdin.read(); os._exit(9)", store.root
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    order: list[str] = []

    def wait() -> None:
        with store.lock("x"):
            order.append("taken")

    with store.lock("y"):
        pass  # another lock is not in the way
    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(0.1)
    order.append("killed")
    finish(holder)
    thread.join(10)
    assert order == ["killed", "taken"]


def test_threads_wait_for_each_other(store: Store) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        with store.lock("x"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_nobody_is_alone_while_somebody_works(store: Store) -> None:
    worker = run_python("s.scratch_folder(); print('works', flush=True); sys.stdin.read(); s.close()", store.root)
    assert worker.stdout is not None
    worker.stdout.readline()
    with pytest.raises(StoreError, match="in use"), store.alone():
        pass
    finish(worker)
    with store.alone():
        newcomer = run_python("s.scratch_folder(); print('works', flush=True)", store.root)
        with pytest.raises(subprocess.TimeoutExpired):
            newcomer.wait(0.3)
    assert finish(newcomer) == "works\n"


def test_whoever_holds_it_keeps_others_from_having_it_alone(store: Store) -> None:
    other = Store(store.root)
    store.hold()
    store.hold()
    with pytest.raises(StoreError, match="in use"), other.alone():
        pass
    store.scratch_folder()
    store.close()
    with other.alone():
        pass


def test_two_processes_write_the_same_blobs(store: Store) -> None:
    code = "print([str(s.write_blob(b'%d' % n)) for n in range(100)]); s.close()"
    one, two = run_python(code, store.root), run_python(code, store.root)
    assert finish(one) == finish(two)
    assert one.returncode == two.returncode == 0
    assert all(store.check_blob(Digest.of_bytes(b"%d" % n)) for n in range(100))
