"""Where an installed imagefab came from, as installers record it, or as an index shows it."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from imagefab.ci.origin import Installation, find_origin, read_origin

COMMIT, SHA256 = "cd" * 20, "ab" * 32
FILES = {"tool/__init__.py": b"x = 1\n", "tool/data": b"data"}


def install(folder: Path, files: dict[str, bytes], origin: object = None) -> Distribution:
    """As pip leaves it."""
    info = folder / "imagefab-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: imagefab\nVersion: 1.5\nRequires-Dist: httpx>=0.28\n"
        'Requires-Dist: python-on-whales ; python_version > "3"\nRequires-Dist: pytest>=9; extra == "dev"\n'
    )
    (info / "RECORD").write_text(write_record(files) + "imagefab-1.5.dist-info/INSTALLER,sha256=x,4\n../../bin/x,,\n")
    if origin is not None:
        (info / "direct_url.json").write_text(origin if isinstance(origin, str) else json.dumps(origin))
    return Distribution.at(info)


def write_record(files: dict[str, bytes]) -> str:
    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()

    return "".join(f"{name},sha256={encode(data)},{len(data)}\n" for name, data in files.items())


def read(folder: Path, origin: object) -> Installation:
    return read_origin(install(folder, FILES, origin), offline=True)


@pytest.mark.parametrize(
    ("recorded", "requirement", "is_source"),
    [
        (
            {"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            f"imagefab @ git+https://example.org/x.git@{COMMIT}",
            True,
        ),
        (
            {
                "url": "ssh://git@example.org/x.git",
                "vcs_info": {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"},
                "subdirectory": "a/b",
            },
            f"imagefab @ git+ssh://git@example.org/x.git@{COMMIT}#subdirectory=a/b",
            True,
        ),
        (
            {
                "url": "https://example.org/imagefab-1.5-py3-none-any.whl",
                "archive_info": {"hashes": {"sha256": SHA256}},
            },
            f"imagefab @ https://example.org/imagefab-1.5-py3-none-any.whl --hash=sha256:{SHA256}",
            False,
        ),
        (
            {"url": "https://example.org/imagefab-1.5.tar.gz", "archive_info": {"hash": f"sha256={SHA256}"}},
            f"imagefab @ https://example.org/imagefab-1.5.tar.gz --hash=sha256:{SHA256}",
            True,
        ),
    ],
    ids=["git", "git by ssh", "wheel", "archive"],
)
def test_what_installers_record(recorded: object, requirement: str, is_source: bool, tmp_path: Path) -> None:
    origin = read(tmp_path, recorded)
    assert (origin.requirement, origin.is_source, origin.version) == (requirement, is_source, "1.5")
    assert origin.needs == ("httpx", "python-on-whales")


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        ({"url": "file:///home/me/x", "dir_info": {"editable": True}}, "a folder or a file"),
        ({"url": "file:///x.whl", "archive_info": {"hashes": {"sha256": SHA256}}}, "a folder or a file"),
        ({"url": "file:///x", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}, "a folder or a file"),
        ({"url": "https://example.org/x.whl", "archive_info": {}}, "did not record the hash"),
        ({"url": "https://example.org/x.whl", "archive_info": {"hashes": {"md5": "0"}}}, "did not record the hash"),
        ({"url": "https://example.org/x", "vcs_info": {"vcs": "hg", "commit_id": COMMIT}}, "is not git's"),
        ({"url": "https://example.org/x", "vcs_info": {"vcs": "git", "commit_id": "main"}}, "is not git's"),
        ({"url": "https://me:secret@example.org/x.whl", "archive_info": {"hash": f"sha256={SHA256}"}}, "a login"),
        ({"url": "https://example.org/x y", "archive_info": {"hash": f"sha256={SHA256}"}}, "a folder or a file"),
        ({"url": "https://example.org/x\n--index-url=y", "archive_info": {}}, "a folder or a file"),
        ({"url": 7}, "a folder or a file"),
        ([], "can't be read"),
        ("no JSON", "can't be read"),
    ],
)
def test_what_no_ci_could_install(recorded: object, reason: str, tmp_path: Path) -> None:
    origin = read(tmp_path, recorded)
    assert origin.requirement is None
    assert reason in origin.reason
    assert "secret" not in origin.reason


def test_this_one_is_installed_from_its_folder() -> None:
    assert find_origin("0", offline=True).requirement is None


# -- from an index ----------------------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def write_wheel(folder: Path, files: dict[str, bytes], version: str = "1.5") -> str:
    path = folder / f"imagefab-{version}-py3-none-any.whl"
    info = f"imagefab-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: imagefab\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{write_record(files)}{info}/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_the_index_has_is_what_is_here(index: Path, tmp_path: Path) -> None:
    sha256 = write_wheel(index, FILES)
    write_wheel(index, FILES, "1.6")
    origin = read_origin(install(tmp_path / "site", FILES), offline=False)
    assert (origin.requirement, origin.is_source) == (f"imagefab==1.5 --hash=sha256:{sha256}", False)


@pytest.mark.parametrize(
    "files",
    [None, FILES | {"tool/data": b"other"}, FILES | {"tool/more": b""}, {}],
    ids=["nothing", "another file", "more", "an empty one"],
)
def test_somebody_elses_under_that_name(files: Any, index: Path, tmp_path: Path) -> None:
    if files is not None:
        write_wheel(index, files)
    origin = read_origin(install(tmp_path / "site", FILES), offline=False)
    assert origin.requirement is None
    assert "pip's index has no wheel of imagefab 1.5" in origin.reason


def test_offline_no_index_is_asked(index: Path, tmp_path: Path) -> None:
    write_wheel(index, FILES)
    assert read_origin(install(tmp_path / "site", FILES), offline=True).requirement is None
