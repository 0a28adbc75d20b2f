"""A debugger at work on a program of the target's, as the runner runs it."""

from __future__ import annotations

from collections.abc import Iterator

from imagefab.check.probe import Probe
from imagefab.check.probes.text import words
from imagefab.check.subject import Subject

_DEBUGGER = "CROSS_DEBUGGER"
_NATIVE = """\
{debugger} -nx -batch -ex 'break main' -ex run -ex continue "$PWD/{program}" </dev/null >told 2>&1 || :
cat told
grep 'Breakpoint 1, .*main' told
grep 'exited normally' told
grep -a '{said}' told
"""
_REMOTE = """\
CROSS_GDB=$PWD/gdb.socket timeout 60 {runner} "$PWD/{program}" >said &
runner=$!
waited=0
until [ -S gdb.socket ] || [ "$waited" = 100 ]; do
    sleep 0.1
    waited=$((waited + 1))
done
timeout 40 {debugger} -nx -batch -ex "target remote $PWD/gdb.socket" -ex 'break main' -ex continue -ex continue \\
    "$PWD/{program}" </dev/null >told 2>&1 || :
code=0
wait "$runner" || code=$?
cat told said
[ "$code" = 0 ] || {{ echo "under the debugger, the program ends with exit code $code"; exit 1; }}
grep 'Breakpoint 1, .*main' told
grep -a '{said}' said
"""


def make_debug_probe(subject: Subject, build: str, program: str, said: str) -> Iterator[Probe]:
    """`build` is a script that makes the program, which says a line."""
    debugger = words(subject.env.get(_DEBUGGER, ""))
    runner = words(subject.find_cargo("RUNNER"))
    if debugger and runner:
        script = _NATIVE if subject.runs_with == "native" else _REMOTE
        yield Probe(
            name="debug",
            what="GDB stops a program at main, goes on, and the program ends as it should",
            script=build + script.format(debugger=debugger, runner=runner, program=program, said=said),
        )
