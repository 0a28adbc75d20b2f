"""The contract between an image and cross, point by point; the same for every target."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check import programs
from imagefab.check.probe import Probe
from imagefab.check.probes.rust import RUST
from imagefab.check.probes.text import write
from imagefab.check.session import INSIDE
from imagefab.check.subject import Subject

_ANY_USER = r"""
test "$(id -u)" -ge 1000
for folder in /* /.[!.]*; do
    case $folder in
    /proc | /sys | /dev | /run | /tmp | /var | /root | /home | /mnt | /media | /boot | /lost+found) continue ;;
    {mounts}) continue ;;
    esac
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
IFS=:
for folder in $PATH; do
    if [ -d "$folder/" ]; then
        find "$folder/" -xdev -type f -perm /111 ! -executable 2>/dev/null || :
    fi
done >forbidden
if [ -s forbidden ]; then
    head -n 20 forbidden
    echo "$(wc -l <forbidden) programs can't be run by everybody: $(head -n 1 forbidden)"
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


def make_contract_probes(subject: Subject) -> Iterator[Probe]:
    yield Probe(
        name="shell",
        what="sh and bash are there",
        script="bash -c 'exit 0'\n",
    )
    yield Probe(
        name="host-cc",
        what="cc compiles, links and runs programs for the image itself, and shared objects",
        script=write("hello.c", programs.HELLO_C)
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
        script=_ANY_USER.replace("{mounts}", f"{INSIDE} | {RUST}"),
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
    for word in (part for one in value.split() for part in one.split(":")):
        option, slash, rest = word.partition("/")
        if slash and (not option or option.startswith("-") or option.endswith("=")):
            found.append(f"/{rest}")
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
