"""What is attached to an image: its SBOM and its provenance."""

from __future__ import annotations

from collections.abc import Iterable

from imagefab.attest.provenance import STATEMENT, make_provenance
from imagefab.attest.sbom import SPDX, format_epoch, make_sbom
from imagefab.digest import Digest
from imagefab.files.plain import BadFileError, read_bytes
from imagefab.flows.prepare import Prepared, base_lock_path, lock_path
from imagefab.flows.workspace import Workspace
from imagefab.oci.image import INDEX, MANIFEST, ImageSet
from imagefab.plan.model import list_keys, list_packages
from imagefab.recipe.project import Project
from imagefab.registry.push import Attachment
from imagefab.registry.reference import Repository


def compose_sbom(workspace: Workspace, recipe: str, platforms: tuple[str, ...]) -> str:
    """The SBOM of an image for one host platform, as SPDX."""
    (prepared,) = workspace.prepare([recipe])
    plan = prepared.choose_plans(platforms)[0]
    return make_sbom(prepared.lock, plan.platform.name, plan.target, list_packages(plan)).decode()


def make_attachments(
    project: Project, prepared: Prepared, images: ImageSet, repository: Repository, builder: str
) -> Iterable[Attachment]:
    """An SBOM for each platform's image, and one provenance statement for all of them."""
    lock, target = prepared.lock, prepared.recipe.target.triple
    created = format_epoch(lock.epoch)
    homes = {plan.platform.name: list_packages(plan) for plan in prepared.plans}
    for image in images.images:
        yield Attachment(
            subject=image.digest,
            subject_type=MANIFEST,
            subject_size=len(image.manifest),
            kind=SPDX,
            data=make_sbom(lock, image.platform.name, target, homes[image.platform.name]),
            created=created,
        )
    top = images.index or images.images[0].manifest
    yield Attachment(
        subject=images.digest,
        subject_type=INDEX if images.index is not None else MANIFEST,
        subject_size=len(top),
        kind=STATEMENT,
        data=make_provenance(
            str(repository),
            images,
            lock,
            target=target,
            files=_hash_files(project, prepared),
            plans=list_keys(prepared.plans),
            homes=homes,
            builder=builder,
        ),
        created=created,
    )


def _hash_files(project: Project, prepared: Prepared) -> dict[str, Digest]:
    """Hash the files that people review: the recipe, its lock, and the locks of the bases that it stands on."""
    name = prepared.recipe.name
    found = {}
    bases = (base_lock_path(project, base.name) for base in prepared.lock.bases)
    for path in (project.root / prepared.recipe.file, lock_path(project, name), *bases):
        try:
            found[path.relative_to(project.root).as_posix()] = Digest.of_bytes(read_bytes(path, 16 << 20))
        except (BadFileError, ValueError):
            continue
    return found
