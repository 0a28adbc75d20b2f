"""Enter a worker's namespaces, with the folders of the caller that it needs."""

from __future__ import annotations

import os
from dataclasses import dataclass

from imagefab.engines.sandbox import kernel
from imagefab.engines.sandbox.ids import IdMap, choose_maps, write_maps
from imagefab.engines.sandbox.job import Job, RunJob
from imagefab.engines.sandbox.namespaces import make_namespace
from imagefab.errors import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """The namespaces that this process is in."""

    maps: tuple[IdMap, IdMap]
    mapped: dict[str, int]
    """Id-mapped mounts of the caller's folders, by path."""
    caller: tuple[int, int]
    """The caller's user and group ids in here."""


def enter_namespaces(job: Job) -> Entered:
    """Become root in a user namespace, with a mount namespace of its own."""
    caller, parent = (os.getuid(), os.getgid()), os.getppid()
    users, groups = choose_maps(as_caller=isinstance(job, RunJob) and job.as_caller)
    levels = [((*users.step, *users.caller), (*groups.step, *groups.caller))]
    namespace = make_namespace(levels, write=write_maps)
    mapped = _map_binds(job, namespace) if isinstance(job, RunJob) and caller[0] == 0 else {}
    kernel.enter(namespace, kernel.CLONE_NEWUSER)
    os.close(namespace)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.become(0, 0)
    # Becoming another user clears the parent-death signal.
    kernel.die_with_parent(parent)
    kernel.own_proc_files()
    kernel.keep_mounts_private()
    kernel.leave_keyring()
    return Entered(maps=(users, groups), mapped=mapped, caller=(users.find(caller[0]), groups.find(caller[1])))


def _map_binds(job: RunJob, namespace: int) -> dict[str, int]:
    """Make id-mapped mounts of root's folders. Where that is not supported, a folder is only readable, as by anyone."""
    found = {}
    for given in job.binds:
        try:
            found[given["source"]] = kernel.clone_mapped(given["source"], namespace)
        except OSError as error:
            if not given["read_only"] and job.own_folders:
                reason = os.strerror(error.errno or 0)
                raise EngineError(
                    f"can't mount {given['source']}: its file system does not support idmapped mounts ({reason})",
                    hint="mount a folder on a disk, with --mount DIR, or use --engine docker",
                ) from error
    return found
