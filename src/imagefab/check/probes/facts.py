"""Facts about the image: the versions of its programs."""

from __future__ import annotations

import shlex

from imagefab.check.probe import Probe
from imagefab.check.probes.text import words
from imagefab.check.subject import Subject

FACTS = "facts"


def make_facts_probe(subject: Subject) -> Probe:
    """Return the probe that prints the versions, as lines of `name=value`. Missing programs print nothing."""
    # If users bring their own compiler name, the host's compiler would report the wrong version.
    cc = words(subject.find("CC")) or ("false" if subject.is_for_zigbuild else "cc")
    prefix = subject.env.get("CROSS_TOOLCHAIN_PREFIX", "")
    return Probe(
        name=FACTS,
        what="versions",
        script="set +e\n"
        "exec 2>/dev/null\n"
        f"said=$({cc} --version | head -n 1)\n"
        "case $said in emcc*) name=emscripten ;; *clang*) name=clang ;; *) name=gcc ;; esac\n"
        f'echo "$name=$({cc} -dumpfullversion || {cc} -dumpversion || {cc} /clang:-dumpversion)"\n'
        f"echo \"binutils=$({shlex.quote(prefix)}ld --version | sed -n '1s/.* //p')\"\n"
        "echo 'int main(void) { return 0; }' >empty.c\n"
        f"libc=$({cc} empty.c -o empty -Wl,--trace | grep '/libc\\.so$' | tail -n 1)\n"
        "printf '#include <features.h>\\n__GLIBC__.__GLIBC_MINOR__\\n' >libc.c\n"
        f"glibc=$({cc} -E -P libc.c | tail -n 1 | tr -d ' ')\n"
        'case $glibc in [0-9]*.[0-9]*) echo "glibc=$glibc" ;; esac\n'
        "printf '#include <picolibc.h>\\n__PICOLIBC_VERSION__\\n' >picolibc.c\n"
        f"picolibc=$({cc} -E -P picolibc.c | tail -n 1 | tr -d '\"')\n"
        'case $picolibc in [0-9]*.[0-9]*) echo "picolibc=$picolibc" ;; esac\n'
        f"musl=$({words(subject.find_cargo('RUNNER'))} \"$libc\" 2>&1 | sed -n 's/^Version //p')\n"
        'if [ -n "$musl" ]; then echo "musl=$musl"; fi\n'
        'echo "host-glibc=$(getconf GNU_LIBC_VERSION | cut -d " " -f 2)"\n'
        "for program in /usr/bin/qemu-*; do\n"
        '    echo "qemu=$("$program" --version | sed -n \'1s/.*version \\([0-9.]*\\).*/\\1/p\')"\n'
        "done\n"
        "wine=$(HOME=/tmp USER=user /usr/lib/wine/wine64 --version | sed -n 's/^wine-\\([0-9.]*\\).*/\\1/p')\n"
        'if [ -n "$wine" ]; then echo "wine=$wine"; fi\n'
        "wasmedge=$(wasmedge --version | sed -n '1s/.* //p')\n"
        'if [ -n "$wasmedge" ]; then echo "wasmedge=$wasmedge"; fi\n'
        "echo \"cmake=$(cmake --version | sed -n '1s/.* //p')\"\n"
        'zig=$(zig version) && echo "zig=$zig"\n'
        "exit 0\n",
    )
