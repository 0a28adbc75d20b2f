"""Subordinate ids, read from listings made for these tests."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from imagefab.engines.sandbox.ids import (
    Extent,
    IdMap,
    propose_range,
    propose_root_range,
    subordinate_ids,
    user_name,
)
from imagefab.engines.sandbox.namespaces import list_levels


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", (0, 0)),
        ("somebody:1:2\n", (0, 0)),
        ("somebody:1:2\n{name}:100000:65536\n", (100000, 65536)),
        ("{uid}:200000:1000\n", (200000, 1000)),
        ("{name}:1:2\n{name}:300000:65536\n{uid}:7:8\n", (300000, 65536)),
        ("nonsense\n\n{name}:x:y\n{name}:5:6:7\n{name}:1:2\n", (1, 2)),
    ],
)
def test_the_largest_range_of_the_user(text: str, found: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "subuid"
    path.write_text(text.format(name=user_name(), uid=os.getuid()))
    assert subordinate_ids(path) == found


def test_no_listing(tmp_path: Path) -> None:
    assert subordinate_ids(tmp_path / "subuid") == (0, 0)
    assert propose_range(tmp_path / "subuid") == "100000-165535"


def test_a_range_that_nobody_has(tmp_path: Path) -> None:
    path = tmp_path / "subuid"
    path.write_text("one:100000:65536\nother:300000:1000\n")
    assert propose_range(path) == "301000-366535"


FIRST = 0x60000000


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", FIRST),
        ("one:100000:65536\n", FIRST),
        (f"one:{FIRST - 100}:65536\n", FIRST + 65436),
        (f"one:{FIRST - 100}:65536\ntwo:{FIRST + 65436}:65536\n", FIRST + 130972),
        (f"two:{FIRST + 65436}:65536\none:{FIRST - 100}:65536\n", FIRST + 130972),
        (f"one:{FIRST + 65535}:65536\n", FIRST),
        ("root:1000000:65536\n", 1000000),
        ("root:0:65536\n", FIRST),
        ("root:1000000:10\n", FIRST),
    ],
)
def test_the_range_of_root(text: str, start: int, tmp_path: Path) -> None:
    path = tmp_path / "subuid"
    path.write_text(text)
    assert propose_root_range(path) == start


def test_who_the_caller_is_for_a_worker() -> None:
    found = IdMap(step=(Extent(0, 200000, 65535),), caller=(Extent(65535, 0, 65535),))
    assert found.find(0) == 65535
    assert found.find(1000) == 66535
    assert found.find(200000) == 0
    own = IdMap(step=(Extent(0, 1000, 1), Extent(1, 100000, 65534)), caller=())
    assert own.find(1000) == 0


def test_a_step_sees_the_hosts_numbers() -> None:
    between, step = list_levels([Extent(0, 1000, 1), Extent(1, 100000, 65534)])
    assert between == [Extent(1000, 0, 1), Extent(100000, 1, 65534)]
    assert step == [Extent(0, 1000, 1), Extent(1, 100000, 65534)]


def test_the_range_of_root_has_no_account_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = pwd.struct_passwd(("joe", "x", FIRST + 5, FIRST + 7, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwall", lambda: [account])
    assert propose_root_range(tmp_path / "subuid") == FIRST + 8
