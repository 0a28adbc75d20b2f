"""Facts about the image: the versions of its programs."""

from __future__ import annotations

import shlex

from imagefab.check.probe import Probe
from imagefab.check.probes.text import words
from imagefab.check.programs import read_program
from imagefab.check.subject import Subject

FACTS = "facts"


def make_facts_probe(subject: Subject) -> Probe:
    """Return the probe that prints the versions, as lines of `name=value`. Missing programs print nothing."""
    # If users bring their own compiler name, the host's compiler would report the wrong version.
    cc = words(subject.find("CC")) or ("false" if subject.is_for_zigbuild else "cc")
    if subject.os == "bpf":
        # The headers that it finds are those of the image's own C library.
        cc += " -nostdinc"
    prefix = subject.env.get("CROSS_TOOLCHAIN_PREFIX", "")
    return Probe(
        name=FACTS,
        what="versions",
        script=read_program(
            "facts.sh", cc=cc, ld=f"{shlex.quote(prefix)}ld", runner=words(subject.find_cargo("RUNNER"))
        ),
    )
