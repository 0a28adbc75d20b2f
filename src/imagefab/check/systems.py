"""What versions of libraries mean to people: distributions, and compilers."""

from __future__ import annotations

_GLIBC = (
    ("Debian", ((2, 31), "11"), ((2, 36), "12"), ((2, 41), "13")),
    ("Ubuntu", ((2, 27), "18.04"), ((2, 31), "20.04"), ((2, 35), "22.04"), ((2, 39), "24.04")),
    ("RHEL", ((2, 17), "7"), ((2, 28), "8"), ((2, 34), "9"), ((2, 39), "10")),
    ("Amazon Linux", ((2, 26), "2"), ((2, 34), "2023")),
)
"""By distribution: the glibc of its releases, the oldest first."""
_GCC = {21: "5", 22: "6", 23: "7", 24: "7", 25: "8", 26: "9", 27: "9", 28: "9.3", 29: "11", 30: "12", 31: "13",
        32: "13.2", 33: "14", 34: "15"}  # fmt: skip
"""The GCC that came with GLIBCXX_3.4.N first."""
_WINDOWS = {
    "4.0": "Windows 95",
    "5.1": "Windows XP",
    "5.2": "Windows XP x64",
    "6.0": "Windows Vista",
    "6.1": "Windows 7",
    "6.2": "Windows 8",
    "6.3": "Windows 8.1",
    "10.0": "Windows 10",
}


def list_distributions(glibc: tuple[int, ...]) -> list[str]:
    """The oldest release of each distribution that has this glibc, like `Debian 12`."""
    return [
        f"{name} {release}"
        for name, *releases in _GLIBC
        for release in [next((release for version, release in releases if version >= glibc), None)]
        if release is not None
    ]


def find_gcc(glibcxx: tuple[int, ...]) -> str | None:
    """The GCC whose libstdc++ has GLIBCXX_3.4.N first."""
    return _GCC.get(glibcxx[2]) if glibcxx[:2] == (3, 4) and len(glibcxx) == 3 else None


def name_windows(system: str) -> str:
    """`Windows 6.1` as people call it."""
    version = system.rpartition(" ")[2]
    return _WINDOWS.get(version, system) if system.startswith("Windows") else system
