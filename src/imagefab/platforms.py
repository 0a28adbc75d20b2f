"""Host platforms: the machines that an image runs on, by the names that container engines and Debian use."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from imagefab.errors import UsageError


@dataclass(frozen=True, slots=True)
class HostPlatform:
    name: str
    """The name that engines use: `linux/amd64`."""
    oci_arch: str
    debian_arch: str
    gnu_triplet: str
    machine: str
    """The name that uname and QEMU use."""
    rust_host: str

    def __str__(self) -> str:
        return self.name


AMD64 = HostPlatform("linux/amd64", "amd64", "amd64", "x86_64-linux-gnu", "x86_64", "x86_64-unknown-linux-gnu")
ARM64 = HostPlatform("linux/arm64", "arm64", "arm64", "aarch64-linux-gnu", "aarch64", "aarch64-unknown-linux-gnu")

HOST_PLATFORMS: dict[str, HostPlatform] = {p.name: p for p in (AMD64, ARM64)}


def parse_platform(text: str) -> HostPlatform:
    """Parse `linux/amd64` or `linux/arm64`, which may have a variant (`linux/arm64/v8`)."""
    name = text.removesuffix("/v8")
    if name not in HOST_PLATFORMS:
        raise UsageError(f"no host platform {text!r}", hint=f"the host platforms are {', '.join(HOST_PLATFORMS)}")
    return HOST_PLATFORMS[name]


ALL = "all"
"""Stands for all host platforms."""


def parse_platforms(texts: Iterable[str]) -> tuple[str, ...]:
    """Parse host platforms and return their names, each once; `all` stays as it is."""
    return tuple(dict.fromkeys(text if text == ALL else parse_platform(text).name for text in texts))


def machine_platform() -> HostPlatform:
    """The platform of this machine; amd64 if it is neither, as images for it can still be locked and rendered."""
    return ARM64 if os.uname().machine in ("aarch64", "arm64") else AMD64
