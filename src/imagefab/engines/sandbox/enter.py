"""How a worker gets into its namespaces, and takes what it needs of the caller's along."""

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
    """Folders of the caller's as mounts whose owners are translated, by their paths."""
    caller: tuple[int, int]
    """Who called, as user and group in here."""


def enter_namespaces(job: Job) -> Entered:
    """Be root in a user namespace, with mounts of one's own."""
    caller, parent = (os.getuid(), os.getgid()), os.getppid()
    users, groups = choose_maps(as_caller=isinstance(job, RunJob) and job.as_caller)
    levels = [((*users.step, *users.caller), (*groups.step, *groups.caller))]
    namespace = make_namespace(levels, write=write_maps)
    mapped = _map_binds(job, namespace) if isinstance(job, RunJob) and caller[0] == 0 else {}
    kernel.enter(namespace, kernel.CLONE_NEWUSER)
    os.close(namespace)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.become(0, 0)
    # Becoming another user clears the wish to die with the parent.
    kernel.die_with_parent(parent)
    kernel.own_proc_files()
    kernel.keep_mounts_private()
    kernel.leave_keyring()
    return Entered(maps=(users, groups), mapped=mapped, caller=(users.find(caller[0]), groups.find(caller[1])))


def _map_binds(job: RunJob, namespace: int) -> dict[str, int]:
    """What a command is to have of root's. Where the owners can't be translated, it can only be read, as by anybody."""
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
