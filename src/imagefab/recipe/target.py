"""Targets: what is known of a Rust target triple, in one table.

Everything that depends on the target (package names, environment, emulator, CMake's processor) is computed from
here, so that a new target is a line of data.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    triple: str
    gnu_triplet: str
    """The prefix of Debian's cross tools for the target's GNU userland; the sysroot is /usr/<gnu_triplet>."""
    debian_arch: str
    debian_release_arch: bool
    """Whether the archive carries packages of that architecture, so that it can be added as a foreign one."""
    qemu: str
    """qemu-<this> runs its programs."""
    cmake_processor: str
    os: str = "linux"

    @property
    def underscored(self) -> str:
        """As `cc` and `cmake` crates spell it in variables."""
        return self.triple.replace("-", "_")

    @property
    def upper(self) -> str:
        """As cargo spells it in variables."""
        return self.triple.replace("-", "_").replace(".", "_").upper()

    @property
    def cmake_system(self) -> str:
        """What CMake calls the operating system."""
        return "Linux"

    @property
    def libc(self) -> str:
        return "musl" if self.is_musl else "gnu"

    @property
    def musl_triplet(self) -> str:
        return self.gnu_triplet.replace("gnu", "musl", 1)

    @property
    def is_musl(self) -> bool:
        return "musl" in self.triple.rsplit("-", 1)[-1]


# arch stem → GNU triplet stem, Debian architecture, in the release archive, QEMU's name, CMake's name
_LINUX: dict[str, tuple[str, str, bool, str, str]] = {
    "x86_64": ("x86_64-linux-gnu", "amd64", True, "x86_64", "x86_64"),
    "i686": ("i686-linux-gnu", "i386", True, "i386", "i686"),
    "aarch64": ("aarch64-linux-gnu", "arm64", True, "aarch64", "aarch64"),
    "armv7/hf": ("arm-linux-gnueabihf", "armhf", True, "arm", "armv7l"),
    "arm/hf": ("arm-linux-gnueabihf", "armhf", True, "arm", "armv6l"),
    "arm": ("arm-linux-gnueabi", "armel", True, "arm", "arm"),
    "riscv64gc": ("riscv64-linux-gnu", "riscv64", True, "riscv64", "riscv64"),
    "powerpc": ("powerpc-linux-gnu", "powerpc", False, "ppc", "ppc"),
    "powerpc64": ("powerpc64-linux-gnu", "ppc64", False, "ppc64", "ppc64"),
    "powerpc64le": ("powerpc64le-linux-gnu", "ppc64el", True, "ppc64le", "ppc64le"),
    "s390x": ("s390x-linux-gnu", "s390x", True, "s390x", "s390x"),
    "loongarch64": ("loongarch64-linux-gnu", "loong64", False, "loongarch64", "loongarch64"),
    "mips": ("mips-linux-gnu", "mips", False, "mips", "mips"),
    "mipsel": ("mipsel-linux-gnu", "mipsel", False, "mipsel", "mips"),
    "mips64": ("mips64-linux-gnuabi64", "mips64", False, "mips64", "mips64"),
    "mips64el": ("mips64el-linux-gnuabi64", "mips64el", False, "mips64el", "mips64"),
    "sparc64": ("sparc64-linux-gnu", "sparc64", False, "sparc64", "sparc64"),
}

_TRIPLES: dict[str, str] = {
    "x86_64-unknown-linux-gnu": "x86_64",
    "x86_64-unknown-linux-musl": "x86_64",
    "i686-unknown-linux-gnu": "i686",
    "i686-unknown-linux-musl": "i686",
    "aarch64-unknown-linux-gnu": "aarch64",
    "aarch64-unknown-linux-musl": "aarch64",
    "armv7-unknown-linux-gnueabihf": "armv7/hf",
    "armv7-unknown-linux-musleabihf": "armv7/hf",
    "arm-unknown-linux-gnueabihf": "arm/hf",
    "arm-unknown-linux-musleabihf": "arm/hf",
    "arm-unknown-linux-gnueabi": "arm",
    "arm-unknown-linux-musleabi": "arm",
    "riscv64gc-unknown-linux-gnu": "riscv64gc",
    "riscv64gc-unknown-linux-musl": "riscv64gc",
    "powerpc-unknown-linux-gnu": "powerpc",
    "powerpc64-unknown-linux-gnu": "powerpc64",
    "powerpc64-unknown-linux-musl": "powerpc64",
    "powerpc64le-unknown-linux-gnu": "powerpc64le",
    "powerpc64le-unknown-linux-musl": "powerpc64le",
    "s390x-unknown-linux-gnu": "s390x",
    "s390x-unknown-linux-musl": "s390x",
    "loongarch64-unknown-linux-gnu": "loongarch64",
    "loongarch64-unknown-linux-musl": "loongarch64",
    "mips-unknown-linux-gnu": "mips",
    "mipsel-unknown-linux-gnu": "mipsel",
    "mips64-unknown-linux-gnuabi64": "mips64",
    "mips64el-unknown-linux-gnuabi64": "mips64el",
    "sparc64-unknown-linux-gnu": "sparc64",
}

TARGETS: dict[str, Target] = {
    triple: Target(
        triple=triple,
        gnu_triplet=_LINUX[stem][0],
        debian_arch=_LINUX[stem][1],
        debian_release_arch=_LINUX[stem][2],
        qemu=_LINUX[stem][3],
        cmake_processor=_LINUX[stem][4],
    )
    for triple, stem in _TRIPLES.items()
}
