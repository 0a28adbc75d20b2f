"""Targets: everything we know about each Rust target triple, in one table.

Everything that depends on the target (package names, environment, emulator, CMake's processor) is computed from it, so
that a new target is one line of data.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    triple: str
    os: str = "linux"
    """What its programs run on. `none` is bare metal; AVR and the kernel's BPF have names of their own.
    `unknown` is the user's own WebAssembly host."""
    cmake_processor: str
    gnu_triplet: str = ""
    """The prefix of its GNU tools in the archive's packages; empty if there are none. For Linux it is the GNU
    userland's, whatever the C library, and even if the archive has none; the sysroot is /usr/<gnu_triplet>."""
    debian_arch: str = ""
    """Its Debian architecture; empty if it is not Linux, or if the archive has neither compilers nor libraries."""
    debian_release_arch: bool = False
    """Whether the archive has packages of that architecture, so that it can be added as a foreign one."""
    qemu: str = ""
    """QEMU's name for the machine, for qemu-<this> and qemu-system-<this>; empty if QEMU runs none of its programs."""

    @property
    def stem(self) -> str:
        """The architecture, as in the triple."""
        return self.triple.partition("-")[0]

    @property
    def bits(self) -> int:
        """The number of bits in a pointer."""
        if self.is_x32 or self.stem in _STEMS_OF_32_BITS or self.stem.startswith(_PREFIXES_OF_32_BITS):
            return 32
        return 16 if self.stem == "avr" else 64

    @property
    def is_x32(self) -> bool:
        """64-bit x86 with pointers of 32 bits."""
        return self.triple.endswith("-gnux32")

    @property
    def underscored(self) -> str:
        """The spelling that the `cc` and `cmake` crates use in variables."""
        return self.triple.replace("-", "_")

    @property
    def upper(self) -> str:
        """The spelling that cargo uses in variables."""
        return self.triple.replace("-", "_").replace(".", "_").upper()

    @property
    def cmake_system(self) -> str:
        """CMake's name for the operating system."""
        return _CMAKE_SYSTEMS[self.os]

    @property
    def has_gdb(self) -> bool:
        """Whether GDB debugs its programs, by themselves or under QEMU."""
        return self.os in ("linux", "none")

    @property
    def crt(self) -> str:
        """The name that cross's images use for the C library."""
        if self.is_msvc:
            return "msvc"
        return "musl" if self.is_musl else _CRTS[self.os]

    @property
    def musl_triplet(self) -> str:
        return self.multiarch.replace("gnu", "musl", 1)

    @property
    def multiarch(self) -> str:
        """The name of the folders where Debian's packages for the architecture have headers and libraries."""
        return self.gnu_triplet.replace("i686", "i386")

    @property
    def has_older_processor(self) -> bool:
        """Whether the archive's packages of `debian_arch` need a newer processor, and would not run on this one."""
        return self.stem == "i586" or (self.stem == "arm" and self.is_hard_float)

    @property
    def is_hard_float(self) -> bool:
        """32-bit Arm whose functions pass floating point numbers in floating point registers."""
        return self.triple.endswith("eabihf")

    @property
    def is_musl(self) -> bool:
        return "musl" in self.triple.rsplit("-", 1)[-1]

    @property
    def is_msvc(self) -> bool:
        """Windows, with Microsoft's own C library and conventions."""
        return self.triple.endswith("-msvc")


_STEMS_OF_32_BITS = ("i586", "i686", "powerpc", "mips", "mipsel", "mipsisa32r6", "mipsisa32r6el", "hexagon", "m68k")
_PREFIXES_OF_32_BITS = ("arm", "thumb", "riscv32", "wasm32")
_CMAKE_SYSTEMS = {
    "linux": "Linux",
    "windows": "Windows",
    "darwin": "Darwin",
    "android": "Android",
    "freebsd": "FreeBSD",
    "netbsd": "NetBSD",
    "openbsd": "OpenBSD",
    "wasi": "WASI",
    "wasip2": "WASI",
    "emscripten": "Emscripten",
    "unknown": "Generic",
    "none": "Generic",
    "uefi": "Generic",
    "avr": "Generic",
    "bpf": "Generic",
}
_CRTS = {
    "linux": "gnu",
    "windows": "gnu",
    "darwin": "libsystem",
    "android": "android",
    "freebsd": "freebsd",
    "netbsd": "netbsd",
    "openbsd": "openbsd",
    "wasi": "wasi",
    "wasip2": "wasi",
    "emscripten": "emscripten",
    "unknown": "none",
    "none": "newlib",
    "uefi": "none",
    "avr": "avr-libc",
    "bpf": "none",
}

# arch stem → GNU triplet stem, Debian architecture, in the release archive, QEMU's name, CMake's name
_LINUX: dict[str, tuple[str, str, bool, str, str]] = {
    "x86_64": ("x86_64-linux-gnu", "amd64", True, "x86_64", "x86_64"),
    "x32": ("x86_64-linux-gnux32", "x32", False, "", "x86_64"),
    "i686": ("i686-linux-gnu", "i386", True, "i386", "i686"),
    "i586": ("i686-linux-gnu", "i386", True, "i386", "i586"),
    "aarch64": ("aarch64-linux-gnu", "arm64", True, "aarch64", "aarch64"),
    "armv7/hf": ("arm-linux-gnueabihf", "armhf", True, "arm", "armv7l"),
    "arm/hf": ("arm-linux-gnueabihf", "armhf", True, "arm", "armv6l"),
    "arm": ("arm-linux-gnueabi", "armel", True, "arm", "arm"),
    "armv5te": ("arm-linux-gnueabi", "armel", True, "arm", "armv5tel"),
    "armv7": ("arm-linux-gnueabi", "armel", True, "arm", "armv7l"),
    "thumbv7neon/hf": ("arm-linux-gnueabihf", "armhf", True, "arm", "armv7l"),
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
    "mipsisa32r6": ("mipsisa32r6-linux-gnu", "mipsr6", False, "mips", "mips"),
    "mipsisa32r6el": ("mipsisa32r6el-linux-gnu", "mipsr6el", False, "mipsel", "mips"),
    "mipsisa64r6": ("mipsisa64r6-linux-gnuabi64", "mips64r6", False, "mips64", "mips64"),
    "mipsisa64r6el": ("mipsisa64r6el-linux-gnuabi64", "mips64r6el", False, "mips64el", "mips64"),
    "sparc64": ("sparc64-linux-gnu", "sparc64", False, "sparc64", "sparc64"),
    "m68k": ("m68k-linux-gnu", "m68k", False, "m68k", "m68k"),
    "aarch64_be": ("aarch64_be-linux-gnu", "", False, "aarch64_be", "aarch64_be"),
    "riscv32gc": ("riscv32-linux-gnu", "", False, "riscv32", "riscv32"),
    "hexagon": ("hexagon-linux-gnu", "", False, "hexagon", "hexagon"),
}

_LINUX_TRIPLES: dict[str, str] = {
    "x86_64-unknown-linux-gnu": "x86_64",
    "x86_64-unknown-linux-musl": "x86_64",
    "x86_64-unknown-linux-gnux32": "x32",
    "i586-unknown-linux-gnu": "i586",
    "i586-unknown-linux-musl": "i586",
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
    "armv5te-unknown-linux-gnueabi": "armv5te",
    "armv5te-unknown-linux-musleabi": "armv5te",
    "armv7-unknown-linux-gnueabi": "armv7",
    "armv7-unknown-linux-musleabi": "armv7",
    "thumbv7neon-unknown-linux-gnueabihf": "thumbv7neon/hf",
    "thumbv7neon-unknown-linux-musleabihf": "thumbv7neon/hf",
    "riscv64gc-unknown-linux-gnu": "riscv64gc",
    "riscv64gc-unknown-linux-musl": "riscv64gc",
    "riscv32gc-unknown-linux-gnu": "riscv32gc",
    "riscv32gc-unknown-linux-musl": "riscv32gc",
    "aarch64_be-unknown-linux-gnu": "aarch64_be",
    "aarch64_be-unknown-linux-musl": "aarch64_be",
    "hexagon-unknown-linux-musl": "hexagon",
    "powerpc-unknown-linux-gnu": "powerpc",
    "powerpc-unknown-linux-musl": "powerpc",
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
    "mips-unknown-linux-musl": "mips",
    "mipsel-unknown-linux-musl": "mipsel",
    "mips64-unknown-linux-muslabi64": "mips64",
    "mips64el-unknown-linux-muslabi64": "mips64el",
    "mipsisa32r6-unknown-linux-gnu": "mipsisa32r6",
    "mipsisa32r6el-unknown-linux-gnu": "mipsisa32r6el",
    "mipsisa64r6-unknown-linux-gnuabi64": "mipsisa64r6",
    "mipsisa64r6el-unknown-linux-gnuabi64": "mipsisa64r6el",
    "m68k-unknown-linux-gnu": "m68k",
    "sparc64-unknown-linux-gnu": "sparc64",
}

# triple → operating system, GNU triplet, QEMU's name, CMake's name
_OTHERS: dict[str, tuple[str, str, str, str]] = {
    "x86_64-pc-windows-gnu": ("windows", "x86_64-w64-mingw32", "", "AMD64"),
    "i686-pc-windows-gnu": ("windows", "i686-w64-mingw32", "", "X86"),
    "x86_64-pc-windows-gnullvm": ("windows", "", "", "AMD64"),
    "aarch64-pc-windows-gnullvm": ("windows", "", "", "ARM64"),
    "x86_64-pc-windows-msvc": ("windows", "", "", "AMD64"),
    "aarch64-pc-windows-msvc": ("windows", "", "", "ARM64"),
    "i686-pc-windows-gnullvm": ("windows", "", "", "X86"),
    "i686-pc-windows-msvc": ("windows", "", "", "X86"),
    "aarch64-apple-darwin": ("darwin", "", "", "arm64"),
    "x86_64-apple-darwin": ("darwin", "", "", "x86_64"),
    "aarch64-linux-android": ("android", "", "aarch64", "aarch64"),
    "armv7-linux-androideabi": ("android", "", "arm", "armv7-a"),
    "x86_64-linux-android": ("android", "", "x86_64", "x86_64"),
    "i686-linux-android": ("android", "", "i386", "i686"),
    "thumbv7neon-linux-androideabi": ("android", "", "arm", "armv7-a"),
    "riscv64-linux-android": ("android", "", "riscv64", "riscv64"),
    "x86_64-unknown-freebsd": ("freebsd", "", "", "amd64"),
    "aarch64-unknown-freebsd": ("freebsd", "", "", "arm64"),
    "i686-unknown-freebsd": ("freebsd", "", "", "i386"),
    "x86_64-unknown-netbsd": ("netbsd", "", "", "amd64"),
    "aarch64-unknown-netbsd": ("netbsd", "", "", "aarch64"),
    "x86_64-unknown-openbsd": ("openbsd", "", "", "amd64"),
    "aarch64-unknown-openbsd": ("openbsd", "", "", "arm64"),
    "riscv64gc-unknown-none-elf": ("none", "riscv64-unknown-elf", "riscv64", "riscv64"),
    "riscv32imac-unknown-none-elf": ("none", "riscv64-unknown-elf", "riscv32", "riscv32"),
    **{
        f"riscv{bits}{letters}-unknown-none-elf": ("none", "riscv64-unknown-elf", f"riscv{bits}", f"riscv{bits}")
        for bits, all_letters in ((32, ("i", "im", "ima", "imc", "imafc")), (64, ("imac",)))
        for letters in all_letters
    },
    **{
        triple: ("none", "arm-none-eabi", "arm", processor)
        for triple, processor in (
            ("armv4t-none-eabi", "armv4t"),
            ("thumbv4t-none-eabi", "armv4t"),
            ("armv5te-none-eabi", "armv5te"),
            ("thumbv5te-none-eabi", "armv5te"),
            ("armv6-none-eabi", "armv6"),
            ("armv7a-none-eabi", "armv7-a"),
            ("armv7a-none-eabihf", "armv7-a"),
            ("armv7r-none-eabi", "armv7-r"),
            ("armv7r-none-eabihf", "armv7-r"),
            ("armv8r-none-eabihf", "armv8-r"),
        )
    },
    "loongarch64-unknown-none": ("none", "loongarch64-linux-gnu", "", "loongarch64"),
    "loongarch64-unknown-none-softfloat": ("none", "loongarch64-linux-gnu", "", "loongarch64"),
    "aarch64-unknown-none": ("none", "", "aarch64", "aarch64"),
    "aarch64-unknown-none-softfloat": ("none", "", "aarch64", "aarch64"),
    "thumbv6m-none-eabi": ("none", "arm-none-eabi", "arm", "armv6-m"),
    "thumbv7m-none-eabi": ("none", "arm-none-eabi", "arm", "armv7-m"),
    "thumbv7em-none-eabi": ("none", "arm-none-eabi", "arm", "armv7e-m"),
    "thumbv7em-none-eabihf": ("none", "arm-none-eabi", "arm", "armv7e-m"),
    "thumbv8m.base-none-eabi": ("none", "arm-none-eabi", "arm", "armv8-m.base"),
    "thumbv8m.main-none-eabi": ("none", "arm-none-eabi", "arm", "armv8-m.main"),
    "thumbv8m.main-none-eabihf": ("none", "arm-none-eabi", "arm", "armv8-m.main"),
    "x86_64-unknown-none": ("none", "x86_64-linux-gnu", "x86_64", "x86_64"),
    "x86_64-unknown-uefi": ("uefi", "", "x86_64", "x86_64"),
    "i686-unknown-uefi": ("uefi", "", "i386", "i686"),
    "aarch64-unknown-uefi": ("uefi", "", "aarch64", "aarch64"),
    "avr-none": ("avr", "avr", "", "avr"),
    "bpfel-unknown-none": ("bpf", "", "", "bpf"),
    "bpfeb-unknown-none": ("bpf", "", "", "bpf"),
    "wasm32-unknown-unknown": ("unknown", "", "", "wasm32"),
    "wasm32v1-none": ("unknown", "", "", "wasm32"),
    "wasm64-unknown-unknown": ("unknown", "", "", "wasm64"),
    "wasm32-wasip1": ("wasi", "", "", "wasm32"),
    "wasm32-wasip2": ("wasip2", "", "", "wasm32"),
    "wasm32-wasi": ("wasi", "", "", "wasm32"),
    "wasm32-unknown-emscripten": ("emscripten", "", "", "wasm32"),
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
    for triple, stem in _LINUX_TRIPLES.items()
} | {
    triple: Target(triple=triple, os=system, gnu_triplet=gnu_triplet, qemu=qemu, cmake_processor=processor)
    for triple, (system, gnu_triplet, qemu, processor) in _OTHERS.items()
}
