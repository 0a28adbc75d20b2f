"""Paths in a root file system whose links cannot be trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagefab.engines.sandbox.isolate import resolve


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", ""),
        ("/plain/deeper", "/plain/deeper"),
        ("//plain/./deeper/", "/plain/deeper"),
        ("/../../etc", "/etc"),
        ("/absolute", "/etc"),
        ("/absolute/x", "/etc/x"),
        ("/up", "/etc/shadow"),
        ("/plain/near/x", "/plain/deeper/x"),
        ("/plain/chain/x", "/plain/deeper/x"),
        ("/missing/x/../y", "/missing/y"),
    ],
)
def test_links_stay_inside(path: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "plain/deeper").mkdir(parents=True)
    (tmp_path / "absolute").symlink_to("/etc")
    (tmp_path / "up").symlink_to("../../../../../../../../etc/shadow")
    (tmp_path / "plain/near").symlink_to("deeper")
    (tmp_path / "plain/chain").symlink_to("/plain/../plain/near")
    assert resolve(str(tmp_path), path) == f"{tmp_path}{found}"


def test_a_circle(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OSError, match="one/x"):
        resolve(str(tmp_path), "/one/x")
