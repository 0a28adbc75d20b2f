"""Run one command in an image, with the caller's standard streams or with its output in a file.

The sandbox is preferred for images in the store, because it needs no daemon and runs exactly the layers that are there.
Docker and Podman need the image loaded first; only they run images that imagefab did not build.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import subprocess
from dataclasses import replace
from typing import IO

from imagefab.engines.choose import AUTO, choose_engine
from imagefab.engines.claim import Claim
from imagefab.engines.container import ContainerEngine
from imagefab.engines.engine import Command, Engine, TimeLimitError
from imagefab.engines.load import provide_image
from imagefab.engines.sandbox.run import run_in_sandbox
from imagefab.engines.tether import tether
from imagefab.oci.image import Image
from imagefab.oci.layer import has_files_below, read_tree
from imagefab.platforms import HostPlatform
from imagefab.progress import Progress
from imagefab.store.store import Store

_PATIENCE = 30
_FIRST_PROCESS = '"$@"; exit "$?"'
"""Process 1 gets only signals that it handles, even from itself: a program that crashes there under QEMU hangs."""
_MOST_LIMIT = 16384


def run_in_image(
    image: Image,
    recipe: str,
    command: Command,
    store: Store,
    progress: Progress,
    *,
    engine: str = AUTO,
    output: IO[bytes] | None = None,
) -> int:
    """Run a command and return its exit code; 128+n if signal n ended it."""
    command = replace(command, argv=("sh", "-c", _FIRST_PROCESS, "sh", *command.argv))
    chosen = _choose_once(engine, store)
    if not isinstance(chosen, ContainerEngine):
        return run_in_sandbox(image.layers, store, command, output=output)
    name = provide_image(chosen, recipe, image, store, progress)
    return run_in_container(chosen, name, image.platform, command, store, output=output)


@functools.cache
def _choose_once(engine: str, store: Store) -> Engine:
    """Cached, because choosing an engine tries it, and some callers run many commands."""
    return choose_engine(engine, store)


def run_in_container(
    engine: ContainerEngine,
    name: str,
    platform: HostPlatform,
    command: Command,
    store: Store,
    *,
    output: IO[bytes] | None = None,
) -> int:
    """Run a command in a container engine's image. It ends with this process, however that ends."""
    with engine.claim(store) as claim:
        run = [*engine.client(), "run", *_make_options(engine, claim, platform, command, output), name, *command.argv]
        # A command that uses the terminal must stay in its session.
        words = tether(run, ending=[*engine.client(), "rm", "--force", claim.container], keep_session=output is None)
        streams = {} if output is None else {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        with subprocess.Popen(words, **streams) as process:  # type: ignore[call-overload]
            try:
                code: int = process.wait(command.limit)
            except BaseException as error:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_PATIENCE)
                process.kill()
                if isinstance(error, subprocess.TimeoutExpired) and command.limit is not None:
                    raise TimeLimitError(command.limit) from None
                raise
        return code if code >= 0 else 128 - code


def hides_image(image: Image, folder: str, store: Store) -> bool:
    """Whether a host folder, mounted at its own path, would hide part of the image."""
    inside = folder.strip("/")
    listings = [store.read_blob(layer.listing) for layer in image.layers]
    if inside and not any(has_files_below(listing, inside) for listing in listings):
        return False
    return not inside or any(path.startswith(f"{inside}/") for path in read_tree(listings))


def keep_limits() -> list[str]:
    """Podman asks for more files and processes than some machines grant, so stay within this process's limits."""
    names = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    found = {name: min(_MOST_LIMIT, *map(_bound, resource.getrlimit(number))) for name, number in names.items()}
    return [f"--ulimit={name}={limit}:{limit}" for name, limit in found.items()]


def _bound(limit: int) -> int:
    return _MOST_LIMIT if limit == resource.RLIM_INFINITY else limit


def _describe_mount(host: str, inside: str) -> str:
    """The fields are quoted as in CSV, so that any folder name works."""
    source, target = (text.replace('"', '""') for text in (f"source={host}", f"target={inside}"))
    return f'--mount=type=bind,"{source}","{target}"'


def _make_options(
    engine: ContainerEngine, claim: Claim, platform: HostPlatform, command: Command, output: IO[bytes] | None
) -> list[str]:
    options = [f"--name={claim.container}", f"--platform={platform.name}", "--pull=never", "--rm", "--interactive"]
    if engine.name == "podman":
        options += ["--stop-timeout=0", *keep_limits()]
        if os.geteuid() != 0 and command.user == (os.getuid(), os.getgid()):
            options.append("--userns=keep-id")
    if output is None and os.isatty(0) and os.isatty(1):
        options.append("--tty")
    options += [f"--workdir={command.cwd}", "--entrypoint="]
    if not command.network:
        options.append("--network=none")
    if command.read_only:
        options += ["--read-only", "--tmpfs=/tmp:exec,mode=1777"]
    if command.user is not None:
        options.append(f"--user={command.user[0]}:{command.user[1]}")
    options += [_describe_mount(host, inside) for host, inside in command.binds]
    options += [f"{_describe_mount(host, inside)},readonly" for host, inside in command.read_only_binds]
    options += [f"--env={name}={value}" for name, value in command.env]
    return options
