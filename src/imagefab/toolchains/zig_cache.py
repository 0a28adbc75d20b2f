"""What Zig would compile first in each new container: start files, C and C++ libraries, runtimes. The image has them.

Zig keeps what it compiles in a cache, and compiles a library when first asked for it, for minutes. The image is built
with such a cache, of which it keeps the libraries (zig-keep.pl); the first call in a container makes a cache of them
again (zig-seed.pl), wherever that container has a place for one. Both scripts say how Zig finds things in there.

A library is compiled once for programs with debug information and once for those without, and some once more for each
way to link. So the layer links what users link. Who asks for something else waits for it, as ever.
"""

from __future__ import annotations

from imagefab.recipe.model import FileSpec, RunSpec
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.script import read_script

ZIG = "/opt/zig"

_STRIPPED = "-O2 -Wl,--strip-debug"
"""As cargo links for release."""
_BY_RUSTC = "-nodefaultlibs -lunwind"
"""The C library is named besides."""
_WINDOWS_LIBRARIES = (
    "kernel32", "ntdll", "userenv", "ws2_32", "dbghelp", "advapi32", "bcrypt", "user32", "shell32", "ole32",
)  # fmt: skip
"""What Rust's standard library and most crates name."""


def list_links(target: Target) -> tuple[tuple[str, str], ...]:
    """Language and options of each way to link."""
    shared = ["-shared -fPIC", f"-shared -fPIC {_STRIPPED}"]
    plain = ["", "-O2", _STRIPPED, *shared]
    if target.os == "linux":
        plain += ["-no-pie", f"-no-pie {_STRIPPED}"]
    if target.is_musl:
        plain += ["-static", f"-static {_STRIPPED}", "-static-pie"]
    libraries = [f"-l{name}" for name in (_WINDOWS_LIBRARIES if target.os == "windows" else ("c", "m"))]
    by_rustc = " ".join([_BY_RUSTC, *libraries])
    return (
        *(("c", options) for options in (*plain, by_rustc, f"{by_rustc} {_STRIPPED}")),
        *(("c++", options) for options in plain),
    )


def make_cache_layer(target: Target, name: str, commands: dict[str, str]) -> LayerSpec:
    """`commands` are the compilers, by language; `name` is Zig's for the target."""
    links = "".join(
        f"{commands[language]} {options} {language}.c{'c' if language == 'c++' else ''} -o out\n"
        for language, options in list_links(target)
    )
    return LayerSpec(
        name=f"zig-ahead-{name}",
        comment="what Zig compiles when first asked for it: start files, C and C++ libraries, runtimes",
        files=tuple(
            FileSpec(path=f"{ZIG}/{script}", content=read_script(script).encode(), mode=0o644)
            for script in ("zig-keep.pl", "zig-seed.pl")
        ),
        run=(
            RunSpec(
                name="compile Zig's libraries",
                script=read_script("zig-ahead.sh") + links + read_script("zig-keep.sh", zig=ZIG),
            ),
        ),
    )
