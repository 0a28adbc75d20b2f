"""Where the installed imagefab came from, according to its installer (PEP 610), or else the package index.

Anyone may have registered that name on an index. So its wheel only counts if every file in it is what is installed
here.
"""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from imagefab.files.disk import digest_file

_NAME = "imagefab"
_TIME = 60
_PLAIN = re.compile(r"[A-Za-z0-9._~:/?@!$&()*+,=%{}\[\]-]+\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where an installed imagefab came from."""

    version: str
    requirement: str | None = None
    """The requirement for pip, with a hash or a commit; None if that is unknown."""
    is_source: bool = False
    """Whether pip has to build it."""
    reason: str = ""
    """Why the requirement is unknown."""
    needs: tuple[str, ...] = ()
    """The names of its dependencies."""


def find_origin(version: str, *, offline: bool) -> Installation:
    """The origin of the running imagefab."""
    try:
        found = distribution(_NAME)
    except PackageNotFoundError:
        return Installation(version=version, reason="it runs without being installed")
    return read_origin(found, offline=offline)


def read_origin(found: Distribution, *, offline: bool) -> Installation:
    needs = tuple(_list_needs(found))
    text = found.read_text("direct_url.json")
    if text is not None:
        return _read_direct_url(text, found.version, needs)
    if offline:
        return Installation(
            version=found.version, needs=needs, reason="it came from an index, which --offline forbids to ask"
        )
    sha256 = _find_wheel(found)
    if sha256 is None:
        reason = f"pip's index has no wheel of {_NAME} {found.version} with the files that are installed here"
        return Installation(version=found.version, needs=needs, reason=reason)
    requirement = f"{_NAME}=={found.version} --hash=sha256:{sha256}"
    return Installation(version=found.version, needs=needs, requirement=requirement)


def _list_needs(found: Distribution) -> list[str]:
    names = [re.match(r"[A-Za-z0-9._-]+", one) for one in found.requires or () if "extra ==" not in one]
    return [name[0] for name in names if name is not None]


def _read_direct_url(text: str, version: str, needs: tuple[str, ...]) -> Installation:
    def ask(reason: str) -> Installation:
        return Installation(version=version, needs=needs, reason=reason)

    try:
        value = json.loads(text)
        url = str(value["url"])
        parts = urlsplit(url)
        scheme, path, has_login = parts.scheme, parts.path, parts.password is not None
    except (ValueError, KeyError, TypeError, RecursionError):
        return ask("its installer's record of where it came from can't be read")
    if scheme not in ("http", "https", "ssh") or not _PLAIN.match(url):
        return ask("it was installed from a folder or a file, which no machine of a CI has")
    if has_login:
        return ask("the address that it was installed from has a login in it")
    vcs, archive = _read_table(value, "vcs_info"), _read_table(value, "archive_info")
    if vcs.get("vcs") == "git" and _COMMIT.match(str(vcs.get("commit_id", ""))):
        where = f"git+{url}@{vcs['commit_id']}{_format_subdirectory(value)}"
        return Installation(version=version, needs=needs, requirement=f"{_NAME} @ {where}", is_source=True)
    hashes = archive.get("hashes")
    sha256 = str(hashes.get("sha256", "")) if isinstance(hashes, dict) else ""
    sha256 = sha256 or str(archive.get("hash", "")).removeprefix("sha256=")
    if not _SHA256.match(sha256):
        return ask(f"its installer did not record the hash of {url}" if archive or not vcs else f"{url} is not git's")
    requirement = f"{_NAME} @ {url}{_format_subdirectory(value)} --hash=sha256:{sha256}"
    return Installation(version=version, needs=needs, requirement=requirement, is_source=not path.endswith(".whl"))


def _read_table(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _format_subdirectory(value: Mapping[str, Any]) -> str:
    folder = value.get("subdirectory")
    return f"#subdirectory={folder}" if isinstance(folder, str) and _PLAIN.match(folder) else ""


def _find_wheel(found: Distribution) -> str | None:
    """The hash of the index's wheel, if that is what is installed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet",
            "--no-deps", "--only-binary=:all:", f"--dest={folder}", f"{found.metadata['Name']}=={found.version}",
        ]  # fmt: skip
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_TIME)
        except (OSError, subprocess.TimeoutExpired):
            return None
        for path in Path(folder).glob("*.whl"):
            if _is_installed(path, found):
                return digest_file(path).hex
    return None


def _is_installed(wheel: Path, found: Distribution) -> bool:
    """Whether all files of a wheel are installed, with the same hashes."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            (record,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
            offered = _read_record(archive.read(record).decode())
    except (zipfile.BadZipFile, ValueError, OSError, KeyError):
        return False
    installed = _read_record(found.read_text("RECORD") or "")
    return bool(offered) and offered.items() <= installed.items()


def _read_record(text: str) -> dict[str, str]:
    """Hashes by path; a RECORD has none for itself."""
    rows = [row for row in csv.reader(io.StringIO(text)) if len(row) == 3]
    return {path: digest for path, digest, _ in rows if digest}
