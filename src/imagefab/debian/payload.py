"""Decodes packages once: into a .deb whose members are uncompressed.

dpkg installs the same files from it without decompressing, which is most of an installation's work. The sandbox decodes
packages on all cores while other steps run. The unpacked size is limited, so that a small package can't fill a disk or
memory.
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
    """Write a .deb with its members uncompressed; DebError, which names the target, if it can't be decoded."""
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
