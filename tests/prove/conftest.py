"""The fixtures of the end-to-end tests that serve here too. Their hook is for all tests already."""

from __future__ import annotations

from tests.e2e.conftest import docker, flagship, full_rust, podman, root, shared, shipped, warm

__all__ = ["docker", "flagship", "full_rust", "podman", "root", "shared", "shipped", "warm"]
