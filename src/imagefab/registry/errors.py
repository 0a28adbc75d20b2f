"""What a registry can do to us."""

from __future__ import annotations

from imagefab.errors import FetchError


class RegistryError(FetchError):
    """A registry does not do what is asked."""


class DeniedError(RegistryError):
    """It does not let us."""


class PassingError(RegistryError):
    """It may work in a while; after all attempts that make sense, that is what remains to say."""

    def __init__(self, problem: str, *, hint: str | None = None, wait: float = 0) -> None:
        super().__init__(problem, hint=hint)
        self.wait = wait
        """Seconds that the registry asks to wait before another attempt."""
