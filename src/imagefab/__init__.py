"""imagefab: a factory for cross-compilation images. Same lock, same digest, whichever engine builds it."""

__version__ = "0.1.0"
