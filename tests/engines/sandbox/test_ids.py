"""Subordinate ids, read from listings made for these tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagefab.engines.sandbox.ids import propose_range, subordinate_ids, user_name


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
