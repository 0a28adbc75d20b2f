"""What images leave out of the packages that they install, unless a recipe or a base says `keep`.

Each name stands for files that hardly any build of a Rust project needs, and which are a quarter of an image. dpkg is
told with options, not by its configuration: so `apt-get install --reinstall` in an image brings them back.
"""

from __future__ import annotations

from collections.abc import Iterable

_SANITIZERS = ("asan", "hwasan", "lsan", "tsan", "ubsan")
_CHARSETS = ("[ABDE-HJ-TV-Z]*", "C[!P]*", "CP[!1]*", "CP1[!2]*", "CP12[!5]*", "CP125[!2]*", "I[!S]*", "IS[!O]*",
             "ISO[!8]*", "ISO8859-[2-9]*", "ISO8859-1[0-46]*", "U[HJ]*", "lib*")  # fmt: skip
"""All but UTF-16 and its like, ISO 8859-1 and -15, and Windows-1252.

Patterns that include would be shorter, but dpkg keeps all links and folders that may lead to what they include, as far
as it can tell by what comes before the first wildcard."""
_ACCELERATORS = ("__clang_cuda*", "__clang_hip*", "cuda_wrappers/*", "hexagon_*", "hvx_*", "opencl-c*")
_PERL = ("/usr/lib/*/perl/*/auto/Encode/JP/*", "/usr/lib/*/perl/*/auto/Encode/KR/*",
         "/usr/lib/*/perl/*/auto/Encode/CN/*", "/usr/lib/*/perl/*/auto/Encode/TW/*",
         "/usr/lib/*/perl/*/auto/Unicode/Collate/*", "/usr/share/perl/*/Unicode/Collate/*",
         "/usr/lib/*/perl/*/CORE/*", "/usr/share/perl/*/unicore/TestNorm.pl",
         "/usr/share/perl/*/Module/CoreList*", "/usr/share/perl/*/CPAN*", "/usr/share/perl/*/perl5db.pl",
         "/usr/lib/*/perl/*/Devel/PPPort.pm", "/usr/share/perl/*.pod",
         "/usr/lib/*/perl/*.pod")  # fmt: skip
_GIT = ("/usr/bin/scalar", "/usr/bin/git-shell", "/usr/lib/git-core/git-daemon",
        "/usr/lib/git-core/git-http-backend", "/usr/lib/git-core/git-http-fetch",
        "/usr/lib/git-core/git-http-push", "/usr/lib/git-core/git-imap-send",
        "/usr/lib/git-core/git-shell", "/usr/lib/git-core/scalar", "/usr/share/gitweb/*")  # fmt: skip

LEFT_OUT: dict[str, tuple[str, ...]] = {
    "lto-dump": ("/usr/bin/*lto-dump*",),
    "lto": ("/usr/lib/gcc/{host}/*/lto1", "/usr/libexec/gcc/{host}/*/lto1"),
    "sanitizers": tuple(f"/usr/*/lib{name}{end}" for name in _SANITIZERS for end in (".*", "_preinit.o")),
    "profilers": (
        *("/usr/bin/*gprofng*", "/usr/bin/*-gp-*", "/usr/bin/gp-*", "/usr/lib/*gprofng*"),
        *("/usr/bin/*gcov-*", "/usr/bin/*gcov", "/usr/bin/*gprof"),
    ),
    "ctest": ("/usr/bin/ctest", "/usr/bin/cpack", "/usr/share/cmake-*/Help/*"),
    "accelerators": tuple(f"/usr/lib/llvm-*/lib/clang/*/include/{name}" for name in _ACCELERATORS),
    "static": (
        *("/usr/lib/{host}/libc.a", "/usr/lib/{host}/libm.a", "/usr/lib/{host}/libm-*.a", "/usr/lib/{host}/libmvec.a"),
        *("/usr/lib/{host}/libtirpc.a", "/usr/lib/{host}/libnsl.a", "/usr/lib/{host}/libcrypt.a"),
        "/usr/lib/gcc/{host}/*/libstdc++.a",
    ),
    "charsets": tuple(f"/usr/*/gconv/{name}" for name in _CHARSETS),
    "perl": _PERL,
    "git": _GIT,
}
"""Patterns of paths, as dpkg takes them; {host} is the GNU triplet of the image's own machine."""
_INCLUDED = {
    # `use diagnostics` reads it.
    "perl": ("/usr/share/perl/*/pod/perldiag.pod",),
}

KEPT_BY_NATIVE = ("lto", "static")
"""What is the target's where the host's compiler is the target's."""


def list_filters(keep: Iterable[str], host: str) -> tuple[str, ...]:
    """dpkg's options for what is left out."""
    kept = set(keep)
    found = []
    for name, patterns in LEFT_OUT.items():
        if name not in kept:
            found += [f"--path-exclude={pattern.replace('{host}', host)}" for pattern in patterns]
            found += [f"--path-include={pattern.replace('{host}', host)}" for pattern in _INCLUDED.get(name, ())]
    return tuple(found)
