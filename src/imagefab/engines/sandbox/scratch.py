"""Where a job's folders are: in memory if there is enough of it, else beside the store on disk.

Overlays have their upper folder there, which not every file system supports: another overlay does not, and the tmpfs of
older kernels does not for ordinary users. So each place is tried before it is used.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from imagefab.engines.sandbox import kernel

_NEARLY_FULL = 32 << 20
_FEW_FILES = 64
_OPTIONS = "redirect_dir=nofollow,index=off,metacopy=off,userxattr"


class NoScratchError(Exception):
    """No usable place can hold overlays."""


class Scratch:
    """The folders of one job. They become the process's working folder."""

    def __init__(self, folder: str, memory: int, *, prefer_disk: bool) -> None:
        self.root = Path(folder) / "scratch"
        self.root.mkdir()
        self.in_memory = False
        self.memory = memory
        self._count = 0
        if not self._choose([False, True] if prefer_disk else [True, False]):
            raise NoScratchError(
                f"neither memory nor the file system of {folder} can hold overlays; use a store on another disk"
            )

    def make(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(parents=True)
        return path

    def make_another(self, kind: str) -> Path:
        """Make a folder of that kind with a unique name."""
        self._count += 1
        return self.make(f"{kind}/{self._count}")

    def make_link(self, number: int, target: str) -> Path:
        """Make a short name for a folder elsewhere."""
        links = self.root / "at"
        links.mkdir(exist_ok=True)
        path = links / str(number)
        path.symlink_to(target)
        return path

    def is_full(self) -> bool:
        """Whether something may just have failed for lack of space here."""
        status = os.statvfs(self.root)
        return status.f_bavail * status.f_frsize < _NEARLY_FULL or status.f_favail < _FEW_FILES

    def _choose(self, places: list[bool]) -> bool:
        for in_memory in places:
            if in_memory:
                if not self.memory:
                    continue
                kernel.mount("tmpfs", str(self.root), "tmpfs", kernel.MS_NOSUID, f"mode=755,size={self.memory}")
            if self._holds_overlays():
                self.in_memory = in_memory
                return True
            if in_memory:
                kernel.unmount(str(self.root))
        return False

    def _holds_overlays(self) -> bool:
        """Whether an overlay's upper folder works here, with the attributes that mark what it hides."""
        # Overlays name their folders relative to this one: mount options have no room for long or odd paths.
        os.chdir(self.root)
        folder = self.make("probe")
        upper, _, merged = (self.make(f"probe/{name}") for name in ("upper", "work", "merged"))
        options = f"lowerdir=probe/merged,upperdir=probe/upper,workdir=probe/work,{_OPTIONS}"
        try:
            os.setxattr(upper, "user.imagefab", b"y")
            kernel.mount("overlay", str(merged), "overlay", kernel.MS_NODEV, options)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            return False
        else:
            kernel.unmount(str(merged))
            return True
        finally:
            shutil.rmtree(folder)


class Overlay:
    """A stack of folders, lowest first, each the upper folder of one layer."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._lowers = [scratch.make("empty")]
        self.root = scratch.make("root")

    def add_lower(self, path: Path) -> None:
        self._lowers.append(path)

    def try_lowers(self, paths: Sequence[Path]) -> None:
        """Check that folders can be lower ones, by a mount; OSError if not."""
        lowers = ":".join(self._name(path) for path in [*reversed(paths), *self._lowers])
        kernel.mount("overlay", str(self.root), "overlay", kernel.MS_NODEV, f"lowerdir={lowers},{_OPTIONS}")
        kernel.unmount(str(self.root))

    def options(self, upper: Path) -> str:
        work = self._scratch.make_another("work")
        lowers = ":".join(self._name(path) for path in reversed(self._lowers))
        return f"lowerdir={lowers},upperdir={self._name(upper)},workdir={self._name(work)},{_OPTIONS}"

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._scratch.root))
