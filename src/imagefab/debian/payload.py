"""Packages decoded once: a .deb whose members are no longer compressed.

dpkg takes it like any other and installs the same files, but needs no time for decompressing, which is most of an
installation's work. The sandbox decodes packages on all cores while other steps run. What a package unpacks to is
bounded, so that a small one can't fill a disk or memory.
"""

from __future__ import annotations

import lzma
import shutil
import zlib
from pathlib import Path
from typing import IO, cast

from imagefab.debian.ar import MAGIC, DebError, Member, find_member, list_members, open_member
from imagefab.debian.deb import MOST_CONTROL, Bounded, limit_data


def decode_package(source: Path, target: Path) -> None:
    """Write a .deb again with its members plain. DebError, which names the target, for what can't be decoded."""
    try:
        with source.open("rb") as file, target.open("wb") as out:
            members = list_members(file)
            control, data = find_member(members, "control.tar"), find_member(members, "data.tar")
            limits = {control.name: ("control.tar", MOST_CONTROL), data.name: ("data.tar", limit_data(source))}
            out.write(MAGIC)
            for member in members:
                name, most = limits.get(member.name, (member.name, member.size))
                _copy_member(file, member, out, name, most)
    except DebError as error:
        raise DebError(f"{target.name}: {error.problem}") from error
    except (lzma.LZMAError, zlib.error, EOFError, ValueError) as error:
        raise DebError(f"{target.name}: cannot be read: {error}") from error


def _copy_member(file: IO[bytes], member: Member, out: IO[bytes], name: str, most: int) -> None:
    position = out.tell()
    out.write(_header(name, 0))
    with open_member(file, member, decode=name != member.name) as content:
        shutil.copyfileobj(cast(IO[bytes], Bounded(content, most)), out, 1 << 20)
    end = out.tell()
    out.seek(position)
    out.write(_header(name, end - position - 60))
    out.seek(end)
    if end % 2:
        out.write(b"\n")


def _header(name: str, size: int) -> bytes:
    return f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{size:<10}`\n".encode()
