"""The order of end-to-end tests among workers."""

from __future__ import annotations

import pytest

from tests.e2e.support.order import arrange


@pytest.mark.parametrize("workers", [1, 2, 4, 50])
def test_all_of_them_once(workers: int) -> None:
    found = list(arrange(["a", "b"], ["x", "y", "z"], list("123456"), workers=workers))
    assert sorted(found) == sorted("abxyz123456")
    assert found[:2] == ["a", "b"]


def test_each_part_ends_with_those_that_need_engines() -> None:
    found = "".join(arrange("ab", "xyz", "1234567", workers=3))
    assert [found[:4], found[4:8], found[8:]] == ["ab1x", "234y", "567z"]
