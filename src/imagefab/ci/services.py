"""The CI services that workflows are written for."""

from __future__ import annotations

GITHUB, GITLAB, NONE = "github", "gitlab", "none"
CHOICES = (GITHUB, GITLAB, NONE)

GITLAB_JOBS = "/.gitlab/images.yml"
"""What the child pipeline includes, from the root of the repository."""
DEFAULT_REGISTRY = "ghcr.io"
