"""Checks one image: runs its subject's probes in it and judges the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from imagefab.check.judge import Report, judge
from imagefab.check.libc_crate import LibcCrate
from imagefab.check.probe import skipped
from imagefab.check.probes.choice import compares_libc, list_skips, make_probes
from imagefab.check.probes.headers import RUST_LIBC
from imagefab.check.session import RUST, Execute, run_probes
from imagefab.check.subject import Subject, guess_triple
from imagefab.engines.rust import lacks_std
from imagefab.errors import FetchError
from imagefab.plan.model import Plan
from imagefab.platforms import HostPlatform

Binds = tuple[tuple[str, str], ...]
"""Host paths and where they are mounted in the image, read-only."""
FindLibc = Callable[[Path], LibcCrate]
"""Returns the libc crate for a toolchain. Raises FetchError if it can't be had."""


def subject_of_plan(plan: Plan) -> Subject:
    return Subject(name=plan.recipe, triple=plan.target, env=dict(plan.env), labels=dict(plan.labels))


def subject_of_image(
    name: str, env: Mapping[str, str], labels: Mapping[str, str], entrypoint: tuple[str, ...], target: str | None
) -> Subject:
    return Subject(name=name, triple=target or guess_triple(env, labels), env=env, labels=labels, entrypoint=entrypoint)


def check_image(
    subject: Subject,
    platform: HostPlatform,
    folder: Path,
    execute: Execute,
    *,
    rust: Path | None,
    find_libc: FindLibc,
    binds: Binds = (),
) -> Report:
    """Check an image and return a report. `folder` is scratch space; `execute` runs a command in the image."""
    subject = replace(subject, bound=frozenset(inside for _, inside in binds))
    without = None if rust is None else lacks_std(rust, subject.triple, platform)
    with_rust = rust is not None and without is None and bool(subject.triple)
    skips = list_skips(subject)
    if not with_rust:
        told = f"no Rust toolchain with a standard library for {without or subject.triple or 'its target'} is here"
        skips.append(skipped("rust", f"{told}; --rust DIR gives one"))
    libc = None
    if rust and with_rust and compares_libc(subject):
        try:
            libc = find_libc(rust)
        except FetchError as error:
            skips.append(skipped(RUST_LIBC, f"{error.problem}{f'; {error.hint}' if error.hint else ''}"))
    probes = make_probes(subject, rust=with_rust, libc=libc)
    all_binds = (*binds, (str(rust), RUST)) if with_rust else binds
    return judge(subject, probes, run_probes(probes, folder, subject.env, execute, read_only_binds=all_binds), skips)
