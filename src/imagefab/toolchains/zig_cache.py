"""What Zig would compile first in each new container, prebuilt: start files, C and C++ libraries, runtimes.

Zig compiles a library when it is first needed, which takes minutes, and keeps it in a cache. The image's build fills
such a cache and keeps its libraries (zig-keep.pl); the first call in a container turns them into a cache again
(zig-seed.pl), wherever that container has its cache. Both scripts describe how Zig looks entries up.

A library is compiled once for programs with debug information and once for those without, and some once more for each
way to link. So the layer links what users link. Other combinations are compiled on first use, as usual.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagefab.recipe.model import FileSpec, RunSpec
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.script import read_script

ZIG = "/opt/zig"

_STRIP = "-Wl,--strip-debug"
"""What rustc passes to the linker in cargo's release profile, which also optimizes, but not through linker arguments.
"""
_WINDOWS_LIBRARIES = (
    "kernel32", "ntdll", "userenv", "ws2_32", "dbghelp", "advapi32", "bcrypt", "user32", "shell32", "ole32",
)  # fmt: skip
"""Libraries that Rust's standard library and most crates name."""


def list_links(target: Target) -> tuple[tuple[str, str], ...]:
    """Return the language and options of each way to link."""
    return tuple(
        (language, " ".join(filter(None, (*shape, strip))))
        for language, shapes in (
            ("c", (*_list_shapes(target), *_list_shapes_by_rustc(target))),
            ("c++", _list_shapes(target)),
        )
        for shape in shapes
        for strip in ("", _STRIP)
    )


def _list_shapes(target: Target) -> Iterator[tuple[str, ...]]:
    """Yield the options with which people and their build systems link."""
    shapes = ["", "-shared -fPIC"]
    if target.os == "linux":
        shapes.append("-no-pie")
    if target.is_musl:
        shapes.append("-static")
    if _is_static_pie(target):
        shapes.append("-static-pie")
    for shape in shapes:
        yield from ((shape,), (shape, "-O2"))


def _list_shapes_by_rustc(target: Target) -> Iterator[tuple[str, ...]]:
    """Yield the options with which rustc links programs and shared libraries: see `rustc --print link-args`."""
    if target.os == "windows":
        # rustc also passes -nolibc, because its own libraries contain what else C programs need.
        libraries = ["-lunwind", *(f"-l{name}" for name in _WINDOWS_LIBRARIES)]
        shapes = ["", "-shared"]
    else:
        libraries = ["-nodefaultlibs", "-lunwind", "-lc", "-lm"]
        shapes = ["-pie", "-shared"]
        if target.is_musl:
            shapes = ["-static-pie" if _is_static_pie(target) else "-static -no-pie"]
    for shape in shapes:
        yield (shape, *libraries)


def _is_static_pie(target: Target) -> bool:
    """Return whether rustc links programs as static-pie by default."""
    return target.is_musl and target.stem == "x86_64"


def make_cache_layer(target: Target, name: str, commands: dict[str, str]) -> LayerSpec:
    """Return the layer with Zig's libraries. `commands` are the compilers by language; `name` is Zig's target."""
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
