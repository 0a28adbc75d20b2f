"""Checks one image: runs its subject's probes in it and judges the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from imagefab.check.judge import Report, judge
from imagefab.check.probe import skipped
from imagefab.check.probes.choice import list_skips, make_probes
from imagefab.check.probes.rust import RUST
from imagefab.check.session import Execute, run_probes
from imagefab.check.subject import Subject, guess_triple
from imagefab.engines.rust import lacks_std
from imagefab.plan.model import Plan
from imagefab.platforms import HostPlatform

Binds = tuple[tuple[str, str], ...]
"""Host paths and where they are mounted in the image, read-only."""


def subject_of_plan(plan: Plan) -> Subject:
    return Subject(name=plan.recipe, triple=plan.target, env=dict(plan.env), labels=dict(plan.labels))


def subject_of_image(
    name: str, env: Mapping[str, str], labels: Mapping[str, str], entrypoint: tuple[str, ...], target: str | None
) -> Subject:
    return Subject(name=name, triple=target or guess_triple(env, labels), env=env, labels=labels, entrypoint=entrypoint)


def check_image(
    subject: Subject, platform: HostPlatform, folder: Path, execute: Execute, *, rust: Path | None, binds: Binds = ()
) -> Report:
    """Check an image and return a report. `folder` is scratch space; `execute` runs a command in the image."""
    subject = replace(subject, bound=frozenset(inside for _, inside in binds))
    without = None if rust is None else lacks_std(rust, subject.triple, platform)
    with_rust = rust is not None and without is None and bool(subject.triple)
    skips = list_skips(subject)
    if not with_rust:
        told = f"no Rust toolchain with a standard library for {without or subject.triple or 'its target'} is here"
        skips.append(skipped("rust", f"{told}; --rust DIR gives one"))
    probes = make_probes(subject, rust=with_rust)
    all_binds = (*binds, (str(rust), RUST)) if with_rust else binds
    return judge(subject, probes, run_probes(probes, folder, subject.env, execute, read_only_binds=all_binds), skips)
