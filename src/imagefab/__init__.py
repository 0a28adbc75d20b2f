"""imagefab: a factory for cross-compilation build images. Same lock, same digest, whatever builds it."""

__version__ = "0.1.0"
