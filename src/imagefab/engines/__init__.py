"""Engines run a plan and hand back layers: the embedded sandbox, Docker, Podman. Interchangeable, one digest."""
