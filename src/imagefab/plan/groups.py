"""Which packages' files go into which layer of an image, so that an update changes few of an image's bytes.

A step installs a hundred packages. With all of them in one layer, a security update of one makes users pull them all.
So a step's files are split by source package: what is updated often has layers of its own, what is large too, and the
rest goes together. The rule looks at one source package at a time, so that no other package's version moves a group.

Which packages are updated often is known beforehand: those that Debian's security team and point releases replaced in
past releases. A name that is missing here costs a larger pull on the night of its update, and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from imagefab.debian.pin import PackagePin

_LARGE = 12_000_000
"""Compressed bytes, from which a source package that is seldom updated has a layer of its own."""
_LARGE_OFTEN, _LARGE_OFTEN_IN_BASE = 15_000_000, 580_000
"""The same for one that is updated often. An image has at most 40 layers: bases, which all images have, get most."""
_NEVER = 1 << 60
_MOST = 24
"""Groups of one step; of more, none is by itself."""
OFTEN, SELDOM = "updated often", "updated seldom"
OTHER = "other files"
"""The part for files that are no package's, and no state of dpkg's either."""
UPDATED_OFTEN = frozenset((
    "apt", "bind9", "brotli", "busybox", "bzip2", "c-ares", "ca-certificates", "curl", "cyrus-sasl2", "e2fsprogs",
    "edk2", "emscripten", "expat", "freetype", "gdk-pixbuf", "git", "glib2.0", "glibc", "gnupg2", "gnutls28",
    "gzip", "icu", "krb5", "ldb", "libarchive", "libbpf", "libcap2", "libgcrypt20", "libjpeg-turbo", "libpng1.6",
    "libssh", "libssh2", "libtasn1-6", "libtirpc", "libxml2", "libxslt", "libzstd", "linux", "lz4", "nghttp2",
    "nghttp3", "ngtcp2", "node-undici", "nodejs", "nss", "openldap", "openssh", "openssl", "pam", "patch", "pcre2",
    "perl", "python3.11", "python3.13", "qemu", "rsync", "shadow", "sqlite3", "systemd", "tiff", "tzdata", "unzip",
    "util-linux", "wget", "xz-utils", "zlib",
))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Packages whose files are in one layer."""

    name: str
    packages: tuple[str, ...]
    """As names them: `libc6:arm64`."""


def name_part(layer: str, group: str) -> str:
    """The name of an image's layer: of what one of the plan's layers made, the files of a group, or the rest."""
    return f"{layer} ({group})" if group else layer


def group_packages(packages: Sequence[PackagePin], *, base: bool) -> tuple[Group, ...]:
    """The groups of the packages of one step, seldom updated ones first."""
    groups = _group(packages, _LARGE, _LARGE_OFTEN_IN_BASE if base else _LARGE_OFTEN)
    return groups if len(groups) <= _MOST else _group(packages, _NEVER, _NEVER)


def _group(packages: Sequence[PackagePin], large: int, large_often: int) -> tuple[Group, ...]:
    sources: dict[str, list[PackagePin]] = defaultdict(list)
    for pin in packages:
        sources[_find_source(pin)].append(pin)
    seldom: dict[str, list[str]] = {SELDOM: []}
    often: dict[str, list[str]] = {OFTEN: []}
    for source, pins in sorted(sources.items()):
        kind, rest, bound = (often, OFTEN, large_often) if source in UPDATED_OFTEN else (seldom, SELDOM, large)
        name = source if sum(pin.size for pin in pins) >= bound else rest
        kind.setdefault(name, []).extend(f"{pin.name}:{pin.architecture}" for pin in pins)
    return tuple(
        Group(name=name, packages=tuple(sorted(names))) for name, names in {**seldom, **often}.items() if names
    )


def _find_source(pin: PackagePin) -> str:
    """Archives keep a source package's files in a folder of its name."""
    return (pin.path.split("/")[-2] if "/" in pin.path else "") or pin.name
