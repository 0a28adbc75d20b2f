"""Engines build a plan's layers: the embedded sandbox, Docker or Podman. All of them produce the same digest."""
