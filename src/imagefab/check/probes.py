"""Which probes an image gets: from its subject to shell scripts. Pure.

A script runs under `sh -eu`, in a folder of its own, with the image's environment and nothing else. What the image says
of itself (its variables) is a stranger's text: it goes into scripts quoted, as words.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check import programs
from imagefab.check.probe import Probe, Product
from imagefab.check.product import pointer_bits
from imagefab.check.subject import Subject

RUST = "/rust"
"""Where cross 0.2.5 mounts the Rust toolchain."""

_CLANG_ARCHITECTURES = {"riscv64gc": "riscv64", "riscv32imac": "riscv32", "armv7": "armv7", "i686": "i686"}
_ANY_USER = r"""
test "$(id -u)" -ge 1000
for folder in /usr /opt /etc /bin /lib /lib64 /sbin /srv; do
    if [ -d "$folder/" ]; then
        find "$folder/" -xdev \( -type f ! -readable -o -type d \( ! -readable -o ! -executable \) \) 2>/dev/null || :
    fi
done | grep -vE \
    '^/etc/(g?shadow-?|(passwd|group)-|\.pwd\.lock|security/opasswd|ssl/private|sudoers.*|polkit-1/.*)$' \
    >unreadable || :
if [ -s unreadable ]; then
    head -n 20 unreadable
    echo "$(wc -l <unreadable) files or folders can't be read by everybody: $(head -n 1 unreadable)"
    exit 1
fi
"""

_ENTRYPOINT = """
{entry} sh -c 'echo $$' >inner &
outer=$!
wait "$outer"
if [ "$(tail -n 1 inner)" != "$outer" ]; then
    echo "the entrypoint does not end in exec: signals do not get through to the command"
    exit 1
fi
code=0
{entry} sh -c 'exit 7' || code=$?
if [ "$code" != 7 ]; then
    echo "a command's exit code 7 becomes $code"
    exit 1
fi
"""

_HOST_LIBC = """
said=$(getconf GNU_LIBC_VERSION 2>/dev/null) || { echo "the image's own C library is not glibc"; exit 1; }
echo "$said" | awk '{ split($2, part, "."); exit !(part[1] > 2 || part[1] == 2 && part[2] >= 17) }' ||
    { echo "$said is older than 2.17"; exit 1; }
"""

_NO_CARGO = """
bad=
for tool in cargo rustc rustup; do
    if found=$(command -v "$tool"); then
        bad=1
        echo "there is $found on PATH"
    fi
done
test -z "$bad"
"""

_APT = """
command -v apt-get >/dev/null || { echo "there is no apt-get"; exit 1; }
if [ -z "$architecture" ]; then architecture=$(dpkg --print-architecture); fi
dpkg --add-architecture "$architecture"
apt-get check
if [ -z "$(apt-get update --print-uris)" ]; then
    echo "apt has no sources to install from"
    exit 1
fi
mkdir -p package/DEBIAN "package$folder"
cat >"package$folder/imagefab-probe.pc" <<'END-OF-FILE'
Name: probe
Description: probe
Version: 42
Libs: -lprobe
END-OF-FILE
cat >package/DEBIAN/control <<END-OF-FILE
Package: imagefab-probe
Version: 1
Architecture: $architecture
Multi-Arch: same
Maintainer: probe <probe@localhost>
Description: probe
END-OF-FILE
dpkg-deb --root-owner-group --build package probe.deb
apt-get install -y --no-install-recommends ./probe.deb
if [ "$(pkg-config --modversion imagefab-probe)" != 42 ]; then
    echo "pkg-config does not find what a package for $architecture brings, in $folder"
    exit 1
fi
"""

_PARSE = """
library=
for found in "${LIBCLANG_PATH:-/nowhere}"/libclang*.so* /usr/lib/llvm-*/lib/libclang.so* /usr/lib/*/libclang*.so*; do
    if [ -z "$library" ] && [ -e "$found" ]; then library=$found; fi
done
[ -n "$library" ] || { echo "there is no libclang"; exit 1; }
cc -w parse.c -o parse -ldl
"""


def make_probes(subject: Subject, *, rust: bool) -> tuple[Probe, ...]:
    return (*_contract(subject), *_toolchain(subject), *(_rust(subject) if rust else ()), _facts(subject))


# -- the contract -----------------------------------------------------------------------------------------------------


def _contract(subject: Subject) -> Iterator[Probe]:
    yield Probe(
        name="shell",
        what="sh and bash are there",
        script="bash -c 'exit 0'\n",
    )
    yield Probe(
        name="host-cc",
        what="cc compiles, links and runs programs for the image itself, and shared objects",
        script=_write("hello.c", programs.HELLO_C)
        + "cc hello.c -o hello -Wl,--as-needed -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc\n"
        + "./hello | grep -x 'c says 42'\n"
        + "cc -shared -fPIC hello.c -o hello.so\n",
    )
    yield Probe(
        name="no-cargo",
        what="no cargo, rustc or rustup is on PATH, which would hide the mounted toolchain",
        script=_NO_CARGO,
    )
    yield Probe(
        name="any-user",
        what="it works as any user, without a home; all that programs need can be read",
        script=_ANY_USER,
    )
    if subject.entrypoint:
        yield Probe(
            name="entrypoint",
            what="the entrypoint ends in exec: exit codes and signals get through",
            script=_ENTRYPOINT.format(entry=shlex.join(subject.entrypoint)),
        )
    yield Probe(
        name="host-libc",
        what="the image's own C library is glibc 2.17 or later, as Rust's toolchains need",
        script=_HOST_LIBC,
    )
    yield Probe(
        name="variables",
        what="every file and program that a variable names is there",
        script=_check_variables(subject),
    )
    yield Probe(
        name="apt",
        what="apt installs packages for the target, as pre-build steps do; pkg-config finds what they bring",
        script=_check_apt(subject),
        root=True,
    )


def _check_variables(subject: Subject) -> str:
    lines = ["bad="]
    for name, value in sorted(subject.env.items()):
        if name in ("PATH", "HOME", "PWD", "OLDPWD"):
            continue
        for path in _paths(value):
            lines.append(f"[ -e {shlex.quote(path)} ] || {{ bad=1; echo {shlex.quote(f'{name}: no {path}')} >&2; }}")
        if (
            name.startswith(("CC_", "CXX_", "AR_", "TARGET_", "CARGO_TARGET_"))
            and value.strip()
            and not value.startswith("/")
        ):
            word = shlex.quote(value.split()[0])
            lines.append(
                f"command -v {word} >/dev/null || {{ bad=1; echo {shlex.quote(f'{name}: no program {value}')} >&2; }}"
            )
    return "\n".join([*lines, 'test -z "$bad"']) + "\n"


def _paths(value: str) -> list[str]:
    """The paths in a variable: words and parts of lists that begin with a slash, alone or after an option."""
    if "://" in value:
        return []
    found = []
    for word in value.split():
        option, slash, rest = word.partition("/")
        if slash and (not option or option.startswith("-")):
            found += [part for part in f"/{rest}".split(":") if part.startswith("/")]
    return found


def _check_apt(subject: Subject) -> str:
    architecture = subject.env.get("CROSS_DEB_ARCH") or (subject.target.debian_arch if subject.target else "")
    values = f"architecture={shlex.quote(architecture)}\nfolder={shlex.quote(_pkg_config_folder(subject))}\n"
    return values + _APT


def _pkg_config_folder(subject: Subject) -> str:
    first = subject.env.get("PKG_CONFIG_PATH", "").partition(":")[0]
    if first.startswith("/"):
        return first
    triplet = subject.target.gnu_triplet if subject.target else ""
    return f"/usr/lib/{triplet}/pkgconfig" if triplet else "/usr/share/pkgconfig"


# -- the toolchain ----------------------------------------------------------------------------------------------------


def _toolchain(subject: Subject) -> Iterator[Probe]:
    cc, cxx = _words(subject.find("CC")), _words(subject.find("CXX"))
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles, links and runs",
        script=_write("hello.c", programs.HELLO_C)
        + f"{cc} -O2 hello.c -o hello\n"
        + _run(subject, "hello", "c says 42"),
        products=(Product(path="hello"),),
    )
    yield Probe(
        name="c-static",
        what="C links statically and runs",
        script=_write("hello.c", programs.HELLO_C)
        + f"{cc} -O2 -static hello.c -o hello\n"
        + _run(subject, "hello", "c says 42"),
        products=(Product(path="hello", static=True),),
    )
    yield Probe(
        name="shared",
        what="a shared library, and a program that finds it",
        script=_write("part.c", programs.LIBRARY_C)
        + _write("main.c", programs.LIBRARY_USER_C)
        + f"{cc} -O2 -shared -fPIC part.c -o libpart.so\n"
        + f'{cc} -O2 main.c -o main -L. -lpart -Wl,-rpath,"$PWD"\n'
        + _run(subject, "main", "library says 42"),
        products=(Product(path="libpart.so"), Product(path="main")),
    )
    if cxx:
        option = "-static " if "musl" in subject.triple else ""
        yield Probe(
            name="c++",
            what="C++ with exceptions, threads and streams" + (", statically" if option else ""),
            script=_write("hello.cc", programs.HELLO_CXX)
            + f"{cxx} -O2 {option}-pthread hello.cc -o hello\n"
            + _run(subject, "hello", "c++ says 42"),
            products=(Product(path="hello", static=bool(option)),),
        )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield _cmake(subject, cxx=bool(cxx))
    bits = pointer_bits(subject.triple)
    if bits:
        yield _bindgen(subject, bits)


def _cmake(subject: Subject, *, cxx: bool) -> Probe:
    main, said = ("hello.cc", "c++ says 42") if cxx else ("hello.c", "c says 42")
    lists = programs.CMAKE_LISTS.format(
        languages="C CXX" if cxx else "C", main=main, can_run="TRUE" if subject.find_cargo("RUNNER") else "FALSE"
    )
    return Probe(
        name="cmake",
        what="CMake builds a small project with the toolchain file, and runs what it tries",
        script=_write("CMakeLists.txt", lists)
        + _write("hello.c", programs.HELLO_C)
        + _write("hello.cc", programs.HELLO_CXX)
        + _write("part.c", programs.LIBRARY_C)
        + f"cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE={shlex.quote(subject.find('CMAKE_TOOLCHAIN_FILE'))}\n"
        + "cmake --build build\n"
        + _run(subject, "build/probe", said),
        products=(Product(path="build/probe"),),
    )


def _bindgen(subject: Subject, bits: int) -> Probe:
    stem, _, rest = subject.triple.partition("-")
    arguments = [
        f"--target={_CLANG_ARCHITECTURES.get(stem, stem)}-{rest}",
        *shlex.split(
            subject.env.get(f"BINDGEN_EXTRA_CLANG_ARGS_{subject.triple}")
            or subject.env.get(f"BINDGEN_EXTRA_CLANG_ARGS_{subject.underscored}")
            or subject.env.get("BINDGEN_EXTRA_CLANG_ARGS", "")
        ),
    ]
    return Probe(
        name="bindgen",
        what="libclang parses the target's headers with the arguments that bindgen is given",
        script=_write("parse.c", programs.PARSE_C)
        + _write("header.h", programs.HEADER.format(bits=bits))
        + _PARSE
        + f'./parse "$library" header.h {shlex.join(arguments)}\n',
    )


def _rust(subject: Subject) -> Iterator[Probe]:
    target = shlex.quote(subject.triple)
    yield Probe(
        name="rust",
        what="a crate with a build script and a C dependency, offline, the toolchain mounted as cross does it",
        script="mkdir src\n"
        + _write("Cargo.toml", programs.CARGO_TOML)
        + _write("build.rs", programs.BUILD_RS)
        + _write("part.c", programs.LIBRARY_C)
        + _write("src/main.rs", programs.MAIN_RS)
        + 'CARGO_HOME=$PWD/cargo CARGO_TARGET_DIR=$PWD/target PATH="$PATH":/rust/bin\n'
        + "export CARGO_HOME CARGO_TARGET_DIR PATH\n"
        + f"cargo build --offline --target {target}\n"
        + f"cp target/{target}/debug/probe probe\n"
        + (f"cargo test --offline --target {target}\n" if subject.find_cargo("RUNNER") else "")
        + _run(subject, "probe", "rust says 42"),
        products=(Product(path="probe"),),
    )


def _run(subject: Subject, program: str, said: str) -> str:
    """Run a product as cargo would, and with nothing in the environment."""
    runner = subject.find_cargo("RUNNER")
    if not runner and subject.runs_with in ("none", ""):
        return ""
    command = f"{_words(runner)} " if runner else ""
    line = shlex.quote(said)
    return (
        f'{command}"$PWD/{program}" >said\n'
        f"grep -x {line} said\n"
        f'env -i {command}"$PWD/{program}" >said\n'
        f"grep -x {line} said\n"
    )


def _words(value: str) -> str:
    """A command as cargo and the cc crate read it from a variable: words between spaces, with no quotes."""
    return shlex.join(value.split())


def _write(name: str, content: str) -> str:
    return f"cat >{shlex.quote(name)} <<'END-OF-FILE'\n{content}END-OF-FILE\n"


# -- facts ------------------------------------------------------------------------------------------------------------

FACTS = "facts"


def _facts(subject: Subject) -> Probe:
    """What the programs answer; lines of `name=value`. A program that is not there says nothing."""
    cc = _words(subject.find("CC")) or "cc"
    prefix = subject.env.get("CROSS_TOOLCHAIN_PREFIX", "")
    return Probe(
        name=FACTS,
        what="versions",
        script="set +e\n"
        "exec 2>/dev/null\n"
        f"said=$({cc} --version | head -n 1)\n"
        "case $said in *clang*) name=clang ;; *) name=gcc ;; esac\n"
        f'echo "$name=$({cc} -dumpfullversion || {cc} -dumpversion)"\n'
        f"echo \"binutils=$({shlex.quote(prefix)}ld --version | sed -n '1s/.* //p')\"\n"
        "echo 'int main(void) { return 0; }' >empty.c\n"
        f"libc=$({cc} empty.c -o empty -Wl,--trace | grep '/libc\\.so$' | tail -n 1)\n"
        "echo '__GLIBC__.__GLIBC_MINOR__' >libc.h\n"
        f"glibc=$(echo '#include <features.h>' | cat - libc.h | {cc} -E -P - | tail -n 1 | tr -d ' ')\n"
        'case $glibc in [0-9]*.[0-9]*) echo "glibc=$glibc" ;; esac\n'
        f"musl=$({_words(subject.find_cargo('RUNNER'))} \"$libc\" 2>&1 | sed -n 's/^Version //p')\n"
        'if [ -n "$musl" ]; then echo "musl=$musl"; fi\n'
        'echo "host-glibc=$(getconf GNU_LIBC_VERSION | cut -d " " -f 2)"\n'
        "for program in /usr/bin/qemu-*; do\n"
        '    echo "qemu=$("$program" --version | sed -n \'1s/.*version \\([0-9.]*\\).*/\\1/p\')"\n'
        "done\n"
        "echo \"cmake=$(cmake --version | sed -n '1s/.* //p')\"\n"
        "exit 0\n",
    )
