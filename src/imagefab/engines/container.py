"""What Docker and Podman have in common: they build the rendered Dockerfile and save an image, and we take its layers.

An engine keeps its own cache of steps. If that cache has the layers below (because the same engine built them), the
engine gets the whole Dockerfile and runs only what is new. If the store has layers that the engine has not seen, they
are loaded into it as an image to start from, so that no step is repeated that any engine has run.

Everything a run makes in an engine carries the name of its claim, and is cleared when the run ends, however it ends, or
else by the next run.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from imagefab.digest import Digest
from imagefab.engines import trial
from imagefab.engines.claim import Claim, drop_claim, hold_claim, take_abandoned
from imagefab.engines.engine import BuildTask, Finding
from imagefab.engines.inspect import require_emulation
from imagefab.engines.known import is_known_to_work, remember
from imagefab.engines.rawtar import Span, canonicalise, find_layers, open_span
from imagefab.engines.split import list_groups, split_step
from imagefab.errors import EngineError, ImagefabError
from imagefab.oci.image import make_image
from imagefab.oci.layer import Layer, find_packed, read_tree, write_layers
from imagefab.oci.layout import write_archive
from imagefab.plan.context import write_context
from imagefab.plan.dockerfile import render_dockerfile
from imagefab.plan.model import Plan
from imagefab.platforms import HostPlatform, machine_platform
from imagefab.progress import Progress, SilentProgress
from imagefab.store.store import Store

SEEN = "seen"
"""Records of layers that an engine has in its own cache."""
_PROGRAMS = ("docker", "dockerd", "podman", "buildah", "runc", "crun")
_LOG_LINES = 40
_ERROR = re.compile(r"error|fail|denied|cannot|not found|no such", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOrder:
    """What an engine builds, and from which Dockerfile."""

    label: str
    """Its name in progress output."""
    context: Path
    dockerfile: Path
    platform: HostPlatform
    no_cache: bool
    limit: float = 0
    """Seconds it may take; 0 means no limit."""

    @property
    def target(self) -> str:
        return f"image-{self.platform.oci_arch}"


class BuildFailedError(EngineError):
    """The build failed; the engine's log says why."""

    def __init__(self, program: str, log: Sequence[str]) -> None:
        super().__init__(f"{program} failed to build")
        self.program = program
        self.log = [line.rstrip() for line in log]


class ContainerEngine(ABC):
    """An engine that builds Dockerfiles."""

    name: str
    is_daemon: bool
    """Whether a build may go on after the program that asked for it is gone."""
    runs_here = True
    """Whether steps run on this machine."""
    starts_anew = False

    @abstractmethod
    def look(self) -> Sequence[Finding]:
        """Check which parts of the engine are there."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether images can be found in it and loaded into it, which takes less than building."""

    @abstractmethod
    def mend(self, log: str) -> str:
        """The command that fixes the problem in a trial's log."""

    @abstractmethod
    def identity(self) -> str:
        """Identify the engine's cache: an engine on another machine has not seen what this one built."""

    @abstractmethod
    def run_build(self, order: BuildOrder, claim: Claim, progress: Progress) -> None:
        """Build, and tag the result `claim.image`; BuildFailedError if that fails."""

    @abstractmethod
    def save(self, tag: str, archive: Path) -> None: ...

    @abstractmethod
    def load(self, archive: Path) -> None:
        """Load an archive that `write_archive` made."""

    @abstractmethod
    def has(self, tag: str) -> bool: ...

    @abstractmethod
    def tag(self, name: str, other: str) -> None:
        """Give an image an additional name."""

    @abstractmethod
    def remove(self, tag: str) -> None: ...

    @abstractmethod
    def clear(self, claim: Claim) -> None:
        """Remove everything that carries the claim's name; EngineError if something remains."""

    @abstractmethod
    def client(self) -> list[str]:
        """The engine's command-line client, with the options it needs here."""

    def is_known_to_work(self, store: Store) -> bool:
        """A daemon can stop at any time, so it is asked each time; the trial is what is saved."""
        try:
            is_known = is_known_to_work(store, self.name, self._list_dependencies())
        except EngineError:
            return False
        return is_known and all(finding.ok for finding in self.look())

    def inspect(self, store: Store) -> Sequence[Finding]:
        findings = list(self.look())
        if all(finding.ok for finding in findings):
            findings.append(self._try(store))
        if all(finding.ok for finding in findings):
            remember(store, self.name, self._list_dependencies())
        return findings

    def _list_dependencies(self) -> list[object]:
        """Return whose engine it is, and the programs of engines."""
        programs = map(shutil.which, _PROGRAMS)
        return [self.identity(), [[path, Path(path).stat().st_mtime_ns] for path in programs if path]]

    def build(self, request: BuildTask) -> None:
        plan, have = request.plan, request.have
        if self.runs_here:
            require_emulation(plan.platform)
        first = 0 if self.starts_anew or self._can_repeat(request) else len(have)
        with self.claim(request.store) as claim, contextlib.ExitStack() as stack:
            if first:
                self._load_seed(request, claim)
            context = request.folder / "context"
            context.mkdir()
            write_context(
                context,
                [given for layer in plan.layers[first:] for given in layer.inputs],
                epoch=plan.epoch,
                store=request.store,
                materialise=request.materialise,
                link=True,
            )
            dockerfile = request.folder / "Dockerfile"
            dockerfile.write_text(
                render_dockerfile([plan], first=first, parent_image=claim.seed if first else "scratch")
            )
            order = BuildOrder(
                label=plan.recipe,
                context=context,
                dockerfile=dockerfile,
                platform=plan.platform,
                no_cache=request.no_cache,
            )
            try:
                self.run_build(order, claim, request.progress)
            except BuildFailedError as error:
                raise _explain_build_failure(plan, error) from error
            archive = request.folder / "saved.tar"
            self.save(claim.image, archive)
            groups = _group_layers(plan, find_layers(archive), seed=have[:first], have=len(have))
            below = read_tree([request.store.read_blob(layer.listing) for layer in chain.from_iterable(have)])
            pool = stack.enter_context(ThreadPoolExecutor(os.cpu_count() or 1))
            known = partial(find_packed, request.store)
            for number, parts in enumerate(canonicalise(groups, below, plan.epoch)):
                planned = plan.layers[len(have) + number]
                named = split_step(planned.name, parts, list_groups(planned), open_span)
                folder = request.folder / f"layers-{number}"
                folder.mkdir()
                request.done(len(have) + number, write_layers(named, open_span, folder, pool, known))
        for layer in plan.layers[first:]:
            request.store.write_record(SEEN, self._seen_key(layer.key), {"layer": layer.key.hex})

    @contextlib.contextmanager
    def claim(self, store: Store) -> Iterator[Claim]:
        """Hold a claim for a run. What killed runs left is cleared before it, and what the run made, after it."""
        identity = self.identity()
        with take_abandoned(store, self.name, identity) as abandoned:
            for claim in abandoned:
                if not self._try_to_clear(claim):
                    break
                drop_claim(store, claim)
        with hold_claim(store, self.name, identity) as claim:
            try:
                yield claim
            except BaseException:
                # A daemon may still be working on the abandoned build, so the next build clears again.
                if self._try_to_clear(claim) and not self.is_daemon:
                    drop_claim(store, claim)
                raise
            if self._try_to_clear(claim):
                drop_claim(store, claim)

    def _try_to_clear(self, claim: Claim) -> bool:
        try:
            self.clear(claim)
        except EngineError:
            return False
        return True

    def _try(self, store: Store) -> Finding:
        """Try the smallest possible build."""
        what = "a build"
        platform = machine_platform()
        try:
            with self.claim(store) as claim:
                context = claim.folder / "trial"
                context.mkdir()
                order = BuildOrder(
                    label="trial",
                    context=context,
                    dockerfile=trial.write_trial(context, platform),
                    platform=platform,
                    no_cache=True,
                    limit=trial.SECONDS,
                )
                self.run_build(order, claim, SilentProgress())
        except BuildFailedError as error:
            detail = _sum_up(error.log) or error.problem
            return Finding(what=what, ok=False, detail=detail, fix=self.mend("\n".join(error.log)))
        except ImagefabError as error:
            detail = _sum_up(error.problem.splitlines())
            return Finding(what=what, ok=False, detail=detail, fix=error.hint or self.mend(error.problem))
        return Finding(what=what, ok=True, detail="works")

    def _can_repeat(self, request: BuildTask) -> bool:
        """Whether the engine's cache has the layers below, and the store has the inputs that identify them there."""
        lower = request.plan.layers[: len(request.have)]
        if not lower or request.no_cache:
            return False
        if request.store.read_record(SEEN, self._seen_key(lower[-1].key)) is None:
            return False
        digests = {digest for layer in lower for given in layer.inputs for digest in given.digests()}
        return all(request.store.has_blob(digest) for digest in digests)

    def _seen_key(self, key: Digest) -> Digest:
        return Digest.of_json([self.name, self.identity(), key.hex])

    def _load_seed(self, request: BuildTask, claim: Claim) -> None:
        """Load the layers that the store has into the engine, as an image."""
        plan = request.plan
        image = make_image(
            plan.platform,
            tuple(chain.from_iterable(request.have)),
            epoch=plan.epoch,
            env=(),
            labels=(),
            command=("sh",),
        )
        archive = request.folder / "seed.tar"
        with archive.open("wb") as out:
            write_archive(image, claim.seed, request.store, out)
        self.load(archive)
        archive.unlink()


def _group_layers(
    plan: Plan, spans: Sequence[Span], *, seed: Sequence[tuple[Layer, ...]], have: int
) -> list[Sequence[Span]]:
    """Group raw layers by the plan's layers: those of the seed, then one for each step."""
    counts = [*map(len, seed), *(len(layer.steps) for layer in plan.layers[len(seed) :])]
    if len(spans) != sum(counts):
        raise EngineError(f"the engine made {len(spans)} layers of {sum(counts)} steps; it can't be used")
    groups: list[Sequence[Span]] = []
    position = 0
    for count in counts:
        groups.append(spans[position : position + count])
        position += count
    return groups[have:]


def _explain_build_failure(plan: Plan, error: BuildFailedError) -> EngineError:
    tail = "\n".join(f"  {line}" for line in error.log[-_LOG_LINES:])
    return EngineError(f"{plan.recipe} ({plan.platform}): {error}\n{tail}")


def _sum_up(log: Sequence[str]) -> str:
    """Return the most telling line: the last one that mentions an error."""
    lines = [line.strip() for line in log if line.strip()]
    telling = [line for line in lines if _ERROR.search(line)]
    return (telling or lines or [""])[-1]
