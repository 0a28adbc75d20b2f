"""Building blocks for scripts: files to write, programs to run, words to quote."""

from __future__ import annotations

import shlex

from imagefab.check.programs import read_program
from imagefab.check.subject import Subject


def run(subject: Subject, program: str, said: str) -> str:
    """Return a script that runs a product as cargo would, and again with an empty environment. Windows adds a CR to
    lines."""
    runner = subject.find_cargo("RUNNER")
    if not runner and subject.runs_with in ("none", ""):
        return ""
    command = f"{words(runner)} " if runner else ""
    line = shlex.quote(said)
    return (
        f'{command}"$PWD/{program}" >said\n'
        f"tr -d '\\r' <said | grep -x {line}\n"
        f'env -i {command}"$PWD/{program}" >said\n'
        f"tr -d '\\r' <said | grep -x {line}\n"
    )


def split(value: str) -> list[str]:
    """Split a variable as bindgen does: like a shell, or between spaces if that fails."""
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()


def words(value: str) -> str:
    """Quote a command as cargo and the cc crate parse it from a variable: words between spaces, with no quotes."""
    return shlex.join(value.split())


def place(name: str, program: str = "", /, **values: object) -> str:
    """Return a script that writes a program from `programs`, which by default has the file's name."""
    return write(name, read_program(program or name, **values))


def write(name: str, content: str) -> str:
    return f"cat >{shlex.quote(name)} <<'END-OF-FILE'\n{content}END-OF-FILE\n"
