"""What identifies this boot of the machine."""

from __future__ import annotations

from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def read_boot() -> str:
    """Return the boot's ID, or nothing where the kernel does not tell it."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
