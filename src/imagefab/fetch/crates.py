"""Crates from the Rust package registry, downloaded by a toolchain's cargo: it knows the registry, its mirrors and
credentials.

Like everything else, the download is verified against the digest that is expected.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from imagefab.digest import Digest
from imagefab.errors import FetchError
from imagefab.fetch.fetcher import Fetcher
from imagefab.files.disk import STORE, digest_file, explain_disk_errors
from imagefab.http import Patience, compute_limit

_LARGE = 10 << 20
"""The size in bytes of the largest crate that the registry takes, which the time limit allows for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crate:
    name: str
    version: str
    digest: Digest

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def folder(self) -> str:
        """The only top folder of its archive."""
        return f"{self.name}-{self.version}"


def fetch_crate(fetcher: Fetcher, crate: Crate, toolchain: Path) -> Path:
    """Return the path of the crate's archive in the store. `toolchain` is the sysroot with the cargo to use."""
    store = fetcher.store
    if not (store.has_blob(crate.digest) and store.check_blob(crate.digest)):
        _bring(fetcher, crate, toolchain)
    return store.blob_path(crate.digest)


def _bring(fetcher: Fetcher, crate: Crate, toolchain: Path) -> None:
    if fetcher.offline:
        raise FetchError(f"the crate {crate.label} is not in the store", hint="run once without --offline")
    task = fetcher.progress.start(f"{crate.label}, through cargo", total=None)
    folder = fetcher.store.scratch_file(".crate")
    with explain_disk_errors(folder, STORE):
        folder.unlink()
        folder.mkdir()
        try:
            found = Path(shutil.copy(_download(crate, toolchain, folder, fetcher.patience), folder))
            _check(crate, digest_file(found))
            fetcher.store.adopt_blob(found, crate.digest)
        except BaseException:
            task.finish("failed")
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    task.finish()


def _check(crate: Crate, actual: Digest) -> None:
    if actual != crate.digest:
        raise FetchError(
            f"the crate {crate.label} has sha256 {actual.hex}; {crate.digest.hex} is expected",
            hint="crates of a version never change: check which registry cargo uses",
        )


def _download(crate: Crate, toolchain: Path, folder: Path, patience: Patience) -> Path:
    """Have cargo download the crate as a dependency, and return the archive in cargo's own cache."""
    (folder / "lib.rs").touch()
    (folder / "Cargo.toml").write_text(
        '[package]\nname = "fetch"\nversion = "0.1.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\n[workspace]\n'
        f'[dependencies]\n{crate.name} = "={crate.version}"\n'
    )
    said = _run_cargo(crate, toolchain, folder, patience)
    # Cargo unpacks registry/cache/INDEX/NAME-VERSION.crate to registry/src/INDEX/NAME-VERSION.
    source = next(
        Path(one["manifest_path"]).parent for one in json.loads(said)["packages"] if one["name"] == crate.name
    )
    archive = source.parents[2] / "cache" / source.parent.name / f"{crate.folder}.crate"
    if not archive.is_file():
        raise FetchError(
            f"cargo has the crate {crate.label} in {source}, and no archive of it",
            hint="cargo's settings replace the registry by a folder of sources: add a registry or a mirror of one",
        )
    return archive


def _run_cargo(crate: Crate, toolchain: Path, folder: Path, patience: Patience) -> str:
    rustc = json.dumps(str(toolchain / "bin" / "rustc"))
    command = [str(toolchain / "bin" / "cargo"), "--config", f"build.rustc={rustc}", "--quiet", "metadata"]
    limit = compute_limit(patience.whole, _LARGE, patience.slowest)
    try:
        ran = subprocess.run(
            [*command, "--format-version=1"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=None if limit == math.inf else limit,
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"the crate {crate.label}: cargo did not finish in {limit:.0f} seconds") from None
    except OSError as error:
        raise FetchError(f"the crate {crate.label}: {command[0]} does not run: {error.strerror}") from None
    if ran.returncode != 0:
        raise FetchError(
            f"the crate {crate.label}: {_read_reason(ran.stderr) or f'cargo ended with exit code {ran.returncode}'}",
            hint="cargo downloads it: its own settings say from which registry",
        )
    return ran.stdout


def _read_reason(said: str) -> str:
    """Return cargo's error and its innermost cause."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    problem = next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), "")
    causes = [after for line, after in pairwise(lines) if line == "Caused by:"]
    return ": ".join(filter(None, (problem, *causes[-1:])))
