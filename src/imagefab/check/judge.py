"""Turns an image's labels, environment and probe results into rows, facts and a verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from imagefab.check.headers import UnreadableError
from imagefab.check.probe import Probe, Row, Verdict, failed, passed
from imagefab.check.probes.facts import FACTS
from imagefab.check.product import Binary, find_fault, parse_version, print_version, read_binary
from imagefab.check.session import LIMIT, Ran
from imagefab.check.subject import FOR_TARGET, RUNS_WITH, Subject
from imagefab.toolchains.blueprint import GLIBC_CLAIM
from imagefab.toolchains.runners.table import RUNNER_NAMES

_FACT = re.compile(r"([a-z][a-z-]{1,30})=([0-9A-Za-z][0-9A-Za-z.+~_-]{0,40})\Z")
_LAST_LINES = 12
GLIBC_FLOOR = "glibc-floor"
_LINKED_BY_RUSTC = ("none", "avr", "bpf", "uefi", "unknown", "wasi", "wasip2")
"""Systems for which cargo needs no linker from the image, because rustc has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of checking one image."""

    name: str
    triple: str
    rows: tuple[Row, ...]
    facts: Mapping[str, str]

    @property
    def is_good(self) -> bool:
        return not any(row.verdict is Verdict.FAIL for row in self.rows)

    def names(self, verdict: Verdict) -> list[str]:
        return [row.name for row in self.rows if row.verdict is verdict]


def judge(subject: Subject, probes: Sequence[Probe], ran: Mapping[str, Ran], skips: Sequence[Row] = ()) -> Report:
    rows = [_judge_labels(subject), _judge_environment(subject)]
    floors: dict[str, list[tuple[int, ...]]] = {}
    for probe in probes:
        if probe.name != FACTS:
            row, binaries = _judge_probe(subject, probe, ran[probe.name])
            rows.append(row)
            floors[probe.name] = [binary.glibc for binary in binaries if binary.glibc]
    facts = dict(_read_facts(ran[FACTS])) if FACTS in ran else {}
    # The Rust probe is left out, so that the fact does not depend on whether a Rust toolchain is there.
    if floor := max((one for name, found in floors.items() if name != "rust" for one in found), default=None):
        facts[GLIBC_FLOOR] = print_version(floor)
    rows += _judge_glibc(subject, facts, [one for found in floors.values() for one in found])
    return Report(name=subject.name, triple=subject.triple, rows=(*rows, *skips), facts=facts)


def _judge_labels(subject: Subject) -> Row:
    said = subject.labels.get(FOR_TARGET)
    if not said:
        return failed("labels", f"no label {FOR_TARGET} says the target")
    if subject.triple and said != subject.triple:
        return failed("labels", f"the label {FOR_TARGET} says {said}; it should say {subject.triple}")
    if not subject.runs_with:
        return failed("labels", f"no label {RUNS_WITH} how programs are run")
    if subject.runs_with not in RUNNER_NAMES:
        known = ", ".join(RUNNER_NAMES)
        return failed("labels", f"the label {RUNS_WITH} says {subject.runs_with}; what is known is {known}")
    return passed("labels", f"for {said}, runs with {subject.runs_with}")


def _judge_environment(subject: Subject) -> Row:
    """Judge whether the variables for cargo and the crates are set."""
    if not subject.triple:
        return failed("environment", "the image's target is not known")
    free = subject.is_for_zigbuild
    missing = [stem for stem in ("CC", "AR", "CMAKE_TOOLCHAIN_FILE") if not (free or subject.find(stem))]
    wanted = [
        *([] if free or subject.os in _LINKED_BY_RUSTC else ["LINKER"]),
        *([] if subject.runs_with in ("none", "") else ["RUNNER"]),
    ]
    missing += [f"CARGO_TARGET_…_{what}" for what in wanted if not subject.find_cargo(what)]
    if missing:
        return failed("environment", f"for {subject.triple}, these variables are not set: {', '.join(missing)}")
    if subject.env.get("PKG_CONFIG_ALLOW_CROSS") != "1":
        return failed("environment", "PKG_CONFIG_ALLOW_CROSS is not 1; newer versions of cross leave that to the image")
    if "HOME" in subject.env:
        return failed("environment", f"it sets HOME, to {subject.env['HOME']}; whoever runs it has none of that name")
    return passed("environment", "cargo, cc and cmake find their variables")


def _judge_glibc(subject: Subject, facts: Mapping[str, str], floors: Sequence[tuple[int, ...]]) -> list[Row]:
    """Judge the image's claim about glibc, if it makes one."""
    claim = subject.labels.get(GLIBC_CLAIM)
    if claim is None:
        return []
    bound = parse_version(claim)
    if bound is None:
        return [failed("glibc", f"the label {GLIBC_CLAIM} says {claim!r}, which is no version")]
    compiled = parse_version(facts.get("glibc", ""))
    if compiled is None:
        return [failed("glibc", f"it claims glibc {claim}, and the compiler does not say which one it has")]
    newest = max([compiled, *floors])
    if newest > bound:
        return [failed("glibc", f"it claims glibc {claim}, and what it links may need {print_version(newest)}")]
    return [passed("glibc", f"what it links needs no newer glibc than {claim}")]


def _judge_probe(subject: Subject, probe: Probe, ran: Ran) -> tuple[Row, list[Binary]]:
    output = tuple(ran.output[-_LAST_LINES:])
    if not ran.began:
        return failed(probe.name, "no shell runs in the image", output), []
    if ran.timed_out:
        return failed(probe.name, f"it did not end within {LIMIT} seconds", output), []
    if ran.code != 0:
        return failed(probe.name, _reason(ran), output), []
    binaries = []
    for product in probe.products:
        try:
            binary = read_binary(ran.folder / product.path)
        except UnreadableError as error:
            return failed(probe.name, f"{product.path}: {error}", output), []
        fault = find_fault(binary, subject.triple, static=product.static)
        if fault:
            return failed(probe.name, f"{product.path}: {fault}", output), []
        binaries.append(binary)
    return passed(probe.name, probe.what), binaries


def _reason(ran: Ran) -> str:
    """Return the last line of output, which usually is the reason."""
    lines = [line.strip() for line in ran.output if line.strip()]
    return lines[-1][:200] if lines else f"exit code {ran.code}"


def _read_facts(ran: Ran) -> Iterator[tuple[str, str]]:
    for line in ran.output:
        if match := _FACT.match(line):
            yield match[1], match[2]
