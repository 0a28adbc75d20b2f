"""Layout folders from elsewhere: what is checked before an engine gets them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from tests.unreadable import UNREADABLE, limit_memory, put_unreadable

from imagefab.engines.foreign import BrokenImageError, open_layout
from imagefab.store.store import Store


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """One with an index that leads to a manifest; the manifest's file can be put in its place."""
    digest = hashlib.sha256(b"").hexdigest()
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [{"digest": f"sha256:{digest}"}]}))
    (tmp_path / "manifest").symlink_to(tmp_path / "blobs" / "sha256" / digest)
    return tmp_path


def refuse(layout: Path) -> str:
    with limit_memory(), pytest.raises(BrokenImageError) as caught, open_layout(layout, Store(layout / "store")):
        pass
    assert caught.value.exit_code == 8
    return caught.value.problem


@pytest.mark.timeout(60)
def test_an_unreadable_index(layout: Path, subtests: pytest.Subtests) -> None:
    for how in UNREADABLE:
        with subtests.test(how):
            problem = put_unreadable(layout / "index.json", how)
            assert refuse(layout).startswith(f"{layout}/index.json: {problem}")


@pytest.mark.timeout(60)
def test_an_unreadable_blob(layout: Path, subtests: pytest.Subtests) -> None:
    blob = (layout / "manifest").readlink()
    for how in UNREADABLE:
        with subtests.test(how):
            problem = put_unreadable(blob, how)
            assert refuse(layout).startswith(f"{blob}: {problem}")


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"rootfs": 3}, "is not a readable image"),
        ({"rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}, "is not a readable image"),
        ({"rootfs": {"diff_ids": []}, "config": {"Env": "x"}}, "is not an image config"),
        ({"rootfs": {"diff_ids": []}, "config": {"Cmd": [5]}}, "is not an image config"),
        ({"rootfs": {"diff_ids": []}, "config": {"Labels": {"a": 5}}}, "is not an image config"),
        ({"rootfs": {"diff_ids": []}, "config": []}, "is not an image config"),
        ({"os": ["linux"]}, "its config has no platform"),
        ({"architecture": "am\nd"}, "its config has no platform"),
        ({"os": "windows"}, "is an image for windows; cross runs Linux images"),
        ({"architecture": "s390x"}, "is an image for s390x machines"),
    ],
)
def test_a_config_that_no_engine_takes(config: dict[str, object], problem: str, layout: Path) -> None:
    def add(value: object) -> dict[str, str]:
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        (layout / "blobs" / "sha256" / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}"}

    whole = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}} | config
    (layout / "index.json").write_text(json.dumps({"manifests": [add({"config": add(whole), "layers": []})]}))
    assert problem in refuse(layout)


def test_an_index_without_an_end(layout: Path) -> None:
    (layout / "index.json").write_text("[" * 100_000)
    assert "is not JSON" in refuse(layout)
