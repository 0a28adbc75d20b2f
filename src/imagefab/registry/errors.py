"""What can go wrong with a registry."""

from __future__ import annotations

from imagefab.errors import FetchError


class RegistryError(FetchError):
    """The registry doesn't do what is asked."""


class DeniedError(RegistryError):
    """The registry denies access."""


class PassingError(RegistryError):
    """A transient error. It is final once retries are exhausted."""

    def __init__(self, problem: str, *, hint: str | None = None, wait: float = 0) -> None:
        super().__init__(problem, hint=hint)
        self.wait = wait
        """Seconds that the registry asks to wait before another attempt."""
