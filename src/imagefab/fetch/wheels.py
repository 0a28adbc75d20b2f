"""Wheels from the Python package index, downloaded by pip: it knows the index, its mirrors and credentials.

pip chooses the wheel for the image's host platform, not for this machine. Its download is verified against the lock
like everything else.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path

from imagefab.digest import Digest
from imagefab.errors import FetchError
from imagefab.fetch.fetcher import Fetcher
from imagefab.files.disk import STORE, digest_file, explain_disk_errors, write_atomic
from imagefab.http import Patience, compute_limit
from imagefab.platforms import HostPlatform
from imagefab.recipe.model import WheelSpec

_LARGE = 100 << 20
"""The size in bytes of the largest wheel that the time limit allows for."""
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_TAGS = ("manylinux_2_5", "manylinux_2_12", "manylinux_2_17", "manylinux_2_28", "manylinux_2_31", "manylinux_2_34")
_OLD_TAGS = ("manylinux1", "manylinux2010", "manylinux2014", "linux")


def pin_wheel(fetcher: Fetcher, spec: WheelSpec, platform: HostPlatform) -> Digest:
    """Download the wheel and return its digest. A stored one is reused, since the files of a version never change."""
    note = fetcher.store.folder("wheels") / f"{spec.project}-{spec.version}-{platform.debian_arch}"
    try:
        known = Digest.parse(note.read_text())
    except (OSError, ValueError):
        known = None
    if known is not None and fetcher.store.has_blob(known) and fetcher.store.check_blob(known):
        return known
    digest = _bring(fetcher, spec, platform, None)
    write_atomic(note, str(digest).encode(), remedy=STORE)
    return digest


def fetch_wheel(fetcher: Fetcher, spec: WheelSpec, platform: HostPlatform, digest: Digest) -> None:
    """Fetch the wheel that a lock names."""
    if not (fetcher.store.has_blob(digest) and fetcher.store.check_blob(digest)):
        _bring(fetcher, spec, platform, digest)


def _bring(fetcher: Fetcher, spec: WheelSpec, platform: HostPlatform, digest: Digest | None) -> Digest:
    label = f"{spec.project} {spec.version} for {platform}"
    if fetcher.offline:
        raise FetchError(f"{label} is not in the store", hint="run once without --offline")
    task = fetcher.progress.start(f"{label}, through pip", total=None)
    folder = fetcher.store.scratch_file(".wheel")
    with explain_disk_errors(folder, STORE):
        folder.unlink()
        folder.mkdir()
        try:
            found = _download(spec, platform, folder, fetcher.patience)
            actual = digest_file(found)
            _check(label, actual, digest)
            fetcher.store.adopt_blob(found, actual)
        except BaseException:
            task.finish("failed")
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    task.finish(found.name)
    return actual


def _check(label: str, actual: Digest, wanted: Digest | None) -> None:
    if wanted is not None and actual != wanted:
        raise FetchError(
            f"{label}: the index serves a file with sha256 {actual.hex}; the lock names {wanted.hex}",
            hint="files of a version never change: check which index pip uses",
        )


def _download(spec: WheelSpec, platform: HostPlatform, folder: Path, patience: Patience) -> Path:
    machine = _MACHINES[platform.debian_arch]
    tags = [f"--platform={tag}_{machine}" for tag in (*_TAGS, *_OLD_TAGS)]
    command = [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet", "--no-deps",
        "--only-binary=:all:", "--python-version=3.13", "--implementation=py", "--abi=none", *tags,
        f"--dest={folder}", "--", f"{spec.project}=={spec.version}",
    ]  # fmt: skip
    limit = compute_limit(patience.whole, _LARGE, patience.slowest)
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=None if limit == math.inf else limit,
        )
    except subprocess.TimeoutExpired:
        raise FetchError(
            f"{spec.project} {spec.version} for {platform}: pip did not finish in {limit:.0f} seconds"
        ) from None
    if "No module named pip" in ran.stderr:
        raise FetchError("pip, which downloads wheels, is not installed", hint=f"run `{sys.executable} -m ensurepip`")
    files = sorted(folder.glob("*.whl"))
    if ran.returncode != 0 or len(files) != 1:
        said = [line for line in ran.stderr.splitlines() if line.startswith("ERROR:")] or ran.stderr.splitlines()
        reason = said[-1].removeprefix("ERROR: ") if said else f"pip ended with exit code {ran.returncode}"
        raise FetchError(
            f"{spec.project} {spec.version} for {platform}: {reason}",
            hint=f"`pip index versions {spec.project}` lists the versions, of which wheels for any Python (py3-none)"
            " are taken; pip's own settings say which index",
        )
    return files[0]
