"""What Zig would compile first in each new container: start files, C and C++ libraries, runtimes. The image has them.

Zig keeps what it compiles in a cache, and compiles a library when first asked for it, for minutes. The image is built
with such a cache, of which it keeps the libraries (zig-keep.pl); the first call in a container makes a cache of them
again (zig-seed.pl), wherever that container has a place for one. Both scripts say how Zig finds things in there.

A library is compiled once for programs with debug information and once for those without, and some once more for each
way to link. So the layer links what users link. Who asks for something else waits for it, as ever.
"""

from __future__ import annotations

from importlib.resources import files

from imagefab.recipe.model import FileSpec, RunSpec
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec

ZIG = "/opt/zig"

FIND_CACHE = """\
if [ -z "${ZIG_GLOBAL_CACHE_DIR:-}" ]; then
    if [ -n "${CARGO_TARGET_DIR:-}" ] && mkdir -p "$CARGO_TARGET_DIR/.zig-cache" 2>/dev/null; then
        ZIG_GLOBAL_CACHE_DIR=$CARGO_TARGET_DIR/.zig-cache
    else
        ZIG_GLOBAL_CACHE_DIR=/tmp/zig-cache-$(id -u)
    fi
    export ZIG_GLOBAL_CACHE_DIR
fi
# What the image has compiled ahead goes in there, once in each container.
if [ -d /opt/zig/kept ]; then
    seeded=$ZIG_GLOBAL_CACHE_DIR/seeded-$(stat -c %i /opt/zig/zig)
    if [ ! -e "$seeded" ] && perl /opt/zig/zig-seed.pl /opt/zig "$ZIG_GLOBAL_CACHE_DIR" 2>/dev/null; then
        : >"$seeded"
    fi
fi
"""

_SOURCES = """\
export ZIG_GLOBAL_CACHE_DIR=/tmp/zig-cache ZIG_LOCAL_CACHE_DIR=/tmp/zig-cache
mkdir /tmp/ahead
cd /tmp/ahead
echo 'int main(void) { return 0; }' >c.c
printf '#include <iostream>\\nint main() { std::cout << 42; }\\n' >c++.cc
"""
_KEEP = """\
mkdir {zig}/kept
perl {zig}/zig-keep.pl {zig} "$ZIG_GLOBAL_CACHE_DIR" {zig}/kept
rm -r /tmp/ahead "$ZIG_GLOBAL_CACHE_DIR"
"""

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
            FileSpec(path=f"{ZIG}/{script}", content=read_script(script), mode=0o644)
            for script in ("zig-keep.pl", "zig-seed.pl")
        ),
        run=(RunSpec(name="compile Zig's libraries", script=_SOURCES + links + _KEEP.format(zig=ZIG)),),
    )


def read_script(name: str) -> bytes:
    return (files("imagefab.toolchains") / "scripts" / name).read_bytes()
