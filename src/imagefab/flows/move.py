"""Refresh one recipe: upgrade its lock, build and check the image, and only then write the files.

Everything is made outside the project first. What a check found is written at once, for a run that is killed to go on
from. Dockerfiles and locks change together with those of the bases, when all images are made: a recipe whose image
failed keeps its own, with the packages of its base as they were in its own lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from imagefab.digest import Digest
from imagefab.errors import CheckError
from imagefab.files.disk import make_folder, refuse_way_out, write_atomic
from imagefab.files.plain import has_bytes
from imagefab.flows.build import Workshop, build_recipe
from imagefab.flows.check import Checker
from imagefab.flows.locking import Locked, Locker, keep_whole
from imagefab.flows.prepare import (
    Prepared,
    choose_platforms,
    design_blueprints,
    dockerfile_path,
    is_published,
    render_recipe,
)
from imagefab.lock.file import write_lock
from imagefab.lock.staleness import PackageChange, compare_locks
from imagefab.oci.image import ImageSet
from imagefab.progress import Progress
from imagefab.recipe.model import Recipe
from imagefab.recipe.project import Project
from imagefab.records.checked import Checked, find_checked, format_probes, record_check
from imagefab.records.published import Published, find_published


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a recipe's lock would be now, and whether that requires any work."""

    prepared: Prepared
    """With the new lock."""
    locked: Locked
    published: Published | None
    checked: Mapping[str, Checked]
    """Earlier check results."""
    packages: tuple[PackageChange, ...]
    must_build: bool
    must_publish: bool
    """Whether the image is not on record as published."""
    platforms: tuple[str, ...]
    """The host platforms to build, check and publish."""

    @property
    def is_needed(self) -> bool:
        return self.must_build or self.must_publish


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """An image that was built and passed its check."""

    move: Move
    images: ImageSet
    checked: Mapping[str, Checked] = field(default_factory=dict)
    fresh: int = 0
    """How many layers were built."""

    @property
    def digest_before(self) -> Digest | None:
        if self.move.published is not None:
            return self.move.published.digest
        before = [self.move.checked[name] for name in self.move.platforms if name in self.move.checked]
        return before[0].manifest if len(before) == 1 else None

    @property
    def sizes(self) -> dict[str, tuple[int | None, int]]:
        """Sizes before and after, by platform."""
        return {
            image.platform.name: (
                self.move.checked[image.platform.name].size if image.platform.name in self.move.checked else None,
                image.size,
            )
            for image in self.images.images
        }

    def format_probes(self) -> dict[str, str]:
        return {name: format_probes(checked) for name, checked in self.checked.items()}


def find_move(project: Project, recipe: Recipe, locker: Locker, progress: Progress, *, to: str | None) -> Move:
    """Lock the recipe again, in memory. `to` is where images are published, or None."""
    locked = locker.lock_recipe(recipe)
    lock, old = locked.lock, locked.before.lock
    blueprints = design_blueprints(recipe)
    prepared = Prepared(recipe=recipe, lock=lock, blueprints=blueprints)
    published = find_published(project, recipe.name)
    checked = find_checked(project, recipe.name, progress)
    return Move(
        prepared=prepared,
        locked=locked,
        published=published,
        checked=checked,
        packages=compare_locks(old, lock),
        must_build=lock != old
        or not has_bytes(dockerfile_path(project, recipe.name), render_recipe(prepared).encode())
        or any(
            checked[plan.platform.name].plan != plan.key for plan in prepared.plans if plan.platform.name in checked
        ),
        must_publish=to is not None and not is_published(prepared, published, f"{to}/{recipe.name}"),
        platforms=choose_refreshed(recipe, published, checked, publishes=to is not None),
    )


def choose_refreshed(
    recipe: Recipe, published: Published | None, checked: Mapping[str, Checked], *, publishes: bool
) -> tuple[str, ...]:
    """The platforms that are in use already, or all for a first publication.

    The registry may have an image that is not on record, and it must not lose a platform.
    """
    if published is None and publishes:
        return recipe.platforms
    have = [one.name for one in published.platforms] if published is not None else list(checked)
    return choose_platforms(recipe, otherwise=[name for name in recipe.platforms if name in have])


def make_image(move: Move, workshop: Workshop, checker: Checker) -> Refreshed:
    """Build and check the image. Raises CheckError if a probe fails."""
    prepared = move.prepared
    outcome = build_recipe(prepared, move.platforms, workshop)
    checked: dict[str, Checked] = {}
    plans = {plan.platform.name: plan for plan in prepared.plans}
    for image in outcome.images.images:
        name = image.platform.name
        known = move.checked.get(name)
        if known is not None and known.plan == plans[name].key and known.manifest == image.digest and known.is_good:
            checked[name] = known
            continue
        report, checked[name] = checker.check(plans[name], image, budget=prepared.recipe.size_budget)
        if not report.is_good:
            rows = {row.name: row for row in report.rows}
            failed = checked[name].failed
            told = "\n".join(
                line
                for one in failed
                for line in (f"  {one}: {rows[one].detail}", *(f"    {o}" for o in rows[one].output))
            )
            raise CheckError(f"{prepared.recipe.name} ({name}): {len(failed)} probes failed:\n{told}")
    return Refreshed(move=move, images=outcome.images, checked=checked, fresh=len(outcome.fresh))


def write_checks(project: Project, refreshed: Refreshed, progress: Progress) -> None:
    plans = {plan.platform.name: plan for plan in refreshed.move.prepared.plans}
    for name, checked in refreshed.checked.items():
        record_check(project, plans[name], checked, progress)


def write_down(project: Project, done: Sequence[Refreshed], locker: Locker, progress: Progress) -> None:
    """Write the files that people review: Dockerfiles, then the locks of bases and recipes.

    Recipes that are not done and stood on a base that moves keep what that had, in their own locks.
    """
    for one in done:
        prepared = one.move.prepared
        dockerfile, text = dockerfile_path(project, prepared.recipe.name), render_recipe(prepared).encode()
        refuse_way_out(dockerfile, project.root)
        make_folder(dockerfile.parent)
        if not has_bytes(dockerfile, text):
            write_atomic(dockerfile, text, within=project.root)
    names = {one.move.prepared.recipe.name for one in done}
    bases = dict.fromkeys(base.name for one in done for base in one.move.prepared.recipe.bases)
    for name, lock in locker.list_before():
        if name not in names and locker.has_moved(lock, among=bases.keys()):
            keep_whole(project, name, lock, progress)
    for base in bases:
        locked = locker.lock_base(base)
        write_lock(locked.path, locked.file)
    for one in done:
        write_lock(one.move.locked.path, one.move.locked.file)
