"""Layers that stay unpacked in the store: found again, in use, too many, made by two at once, of an earlier boot."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.engines.sandbox import trees
from imagefab.engines.sandbox.ids import Extent, IdMap
from imagefab.engines.sandbox.trees import Loan, lend_trees
from imagefab.oci.layer import Layer
from imagefab.store.collect import TREES, Kept, collect_garbage
from imagefab.store.store import Store


def layer(name: str, size: int = 100) -> Layer:
    digest = Digest.of_bytes(name.encode())
    return Layer(
        key=digest, name=name, digest=digest, diff_id=digest, size=size, plain_size=size, members=(1,), listing=digest
    )


ONE, TWO, THREE = (layer(name) for name in ("one", "two", "three"))


@pytest.fixture(autouse=True)
def ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one user, who may have several maps."""

    def choose(*, as_caller: bool) -> tuple[IdMap, IdMap]:
        one = IdMap(step=(Extent(0, 1000 if as_caller else 100_000, 65535),), caller=())
        return one, one

    monkeypatch.setattr(trees, "choose_maps", choose)


def unpack(loan: Loan, *numbers: int) -> None:
    """What the worker does."""
    for number in numbers:
        tree = loan.lowers()[number].tree
        assert tree is not None
        Path(tree).mkdir()
        (Path(tree) / "file").write_text(str(number))
        loan.made.add(number)


def use(store: Store, layers: Sequence[Layer], *, as_caller: bool = False) -> list[bool]:
    """Run a job that unpacks what is missing; returns what was there before."""
    folder = store.scratch_folder() / os.urandom(4).hex()
    with lend_trees(store, layers, folder, as_caller=as_caller) as loan:
        ready = [lower.is_ready for lower in loan.lowers()]
        unpack(loan, *(number for number, is_ready in enumerate(ready) if not is_ready))
        assert all(lower.is_ready for lower in loan.lowers())
    return ready


def count(store: Store) -> int:
    return len(list((store.root / TREES).iterdir()))


def test_what_was_unpacked_is_there_for_the_next(store: Store) -> None:
    assert use(store, [ONE, TWO]) == [False, False]
    assert use(store, [TWO, THREE]) == [True, False]
    assert use(store, [ONE, TWO, THREE]) == [True, True, True]
    assert count(store) == 3


def test_what_was_not_finished_is_not_kept(store: Store) -> None:
    with lend_trees(store, [ONE, TWO], store.scratch_folder() / "job") as loan:
        unpack(loan, 0)
    assert use(store, [ONE, TWO]) == [True, False]


def test_an_ordinary_user_keeps_none_that_only_root_could_remove(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(trees, "_is_own", lambda _: True)
    with lend_trees(store, [ONE], store.scratch_folder() / "job") as loan:
        assert loan.lowers()[0].tree is None
    assert use(store, [ONE], as_caller=True) == [False]
    assert use(store, [ONE], as_caller=True) == [True]


def test_nobody_keeps_any_in_the_store_of_another(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's would be in the way of the user whose store it is."""
    store.mark()
    user = store.root.stat().st_uid + 1
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with lend_trees(store, [ONE], store.scratch_folder() / "job", as_caller=True) as loan:
        assert loan.lowers()[0].tree is None
    assert not (store.root / TREES).exists()


def test_other_ids_are_another_tree(store: Store) -> None:
    use(store, [ONE])
    assert use(store, [ONE], as_caller=True) == [False]
    assert use(store, [ONE], as_caller=True) == [True]


def test_a_layer_that_comes_twice_has_one_tree(store: Store) -> None:
    with lend_trees(store, [ONE, TWO, ONE], store.scratch_folder() / "job") as loan:
        assert [lower.tree is None for lower in loan.lowers()] == [False, False, True]


def test_two_at_once_both_make_it(store: Store) -> None:
    scratch = store.scratch_folder()
    with lend_trees(store, [ONE], scratch / "first") as first:
        with lend_trees(store, [ONE], scratch / "second") as second:
            unpack(first, 0)
            unpack(second, 0)
        assert count(store) == 1
    assert use(store, [ONE]) == [True]


def test_a_tree_of_an_earlier_boot_is_made_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been cut off on the way to the disk."""
    use(store, [ONE])
    monkeypatch.setattr(trees, "read_boot", lambda: "another")
    assert use(store, [ONE]) == [False]
    assert use(store, [ONE]) == [True]


@pytest.mark.parametrize("damage", ["", "[]", "{}", "[1]", "\xff"])
def test_a_tree_with_a_damaged_record_is_made_again(store: Store, damage: str) -> None:
    use(store, [ONE])
    (tree,) = (store.root / TREES).iterdir()
    (tree / "made.json").write_text(damage)
    assert use(store, [ONE]) == [False]
    assert use(store, [ONE]) == [True]


def test_the_least_used_goes_and_what_is_in_use_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MOST_UNPACKED", 250)
    with lend_trees(store, [ONE], store.scratch_folder() / "job") as loan:
        unpack(loan, 0)
    use(store, [TWO])
    for number, tree in enumerate(sorted((store.root / TREES).iterdir(), key=lambda one: one.stat().st_ctime_ns)):
        os.utime(tree / "lock", (number, number))
    with lend_trees(store, [ONE], store.scratch_folder() / "another") as loan:
        assert loan.lowers()[0].is_ready
        os.utime(Path(loan.lowers()[0].tree or "").parent / "lock", (0, 0))
        use(store, [THREE])
    assert use(store, [ONE, THREE]) == [True, True]
    assert use(store, [TWO]) == [False]


def test_nobody_else_gets_at_them(store: Store) -> None:
    """A set-user-id program in them belongs to an id that a step of another image has as well."""
    use(store, [ONE])
    assert (store.root / TREES).stat().st_mode & 0o777 == 0o700


def test_the_garbage_collection_drops_all(store: Store) -> None:
    use(store, [ONE, TWO])
    kept = Kept(blobs=frozenset(), records=frozenset())
    assert collect_garbage(store, kept, also=[], dry_run=True) >= 200
    assert use(store, [ONE, TWO]) == [True, True]
    collect_garbage(store, kept, also=[], dry_run=False)
    assert count(store) == 0
