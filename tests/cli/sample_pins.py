"""Images to pin: made-up records of what was published."""

from __future__ import annotations

import shutil
from pathlib import Path

from imagefab.digest import Digest

TRIPLE = "aarch64-unknown-linux-musl"
TO = ["--to", "ghcr.io/acme/images"]
PUBLISHED = Digest.of_bytes(b"published")


def publish(project: Path, recipe: str = "aarch64-musl", digest: object = PUBLISHED, platforms: str = "amd64") -> None:
    names = ", ".join(f'"linux/{name}"' for name in platforms.split())
    (project / "images" / recipe / "published.toml").write_text(
        f'name = "registry.example/team/{recipe}"\ndigest = "{digest}"\nplatforms = [{names}]\n'
    )


def add_rival(project: Path) -> None:
    """Another recipe for the target of aarch64-musl."""
    recipe = (project / "recipes" / "aarch64-musl.toml").read_text()
    (project / "recipes" / "rival.toml").write_text(recipe)
    shutil.copytree(project / "images" / "aarch64-musl", project / "images" / "rival")
