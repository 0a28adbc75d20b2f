"""What is judged: an image's target and what its config says, whoever built it.

Everything that probes use is read from the image's own variables, in the order in which cargo and the crates look for
them: so what passes here is what users get.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagefab.recipe.target import TARGETS, Target

FOR_TARGET = "org.cross-rs.for-cross-target"
RUNS_WITH = "org.cross-rs.runs-with"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    name: str
    triple: str
    """What it should be an image for; empty when neither a recipe nor a label says it."""
    env: Mapping[str, str]
    labels: Mapping[str, str]
    entrypoint: tuple[str, ...] = ()
    architecture: str = ""
    """The image's own, as OCI calls it."""
    bound: frozenset[str] = frozenset()
    """Where something of the host's is put into the image for the check."""

    @property
    def target(self) -> Target | None:
        """What imagefab knows of the target; None for one that it has no line for."""
        return TARGETS.get(self.triple)

    @property
    def os(self) -> str:
        """What the target's programs run on, as far as that is known."""
        return self.target.os if self.target else "linux"

    @property
    def underscored(self) -> str:
        return self.triple.replace("-", "_")

    def find(self, stem: str) -> str:
        """A variable as the cc and cmake crates look for it, the most particular first; empty when none is set."""
        for name in (f"{stem}_{self.triple}", f"{stem}_{self.underscored}", f"TARGET_{stem}"):
            if self.env.get(name):
                return self.env[name]
        return ""

    def find_cargo(self, what: str) -> str:
        """A variable as cargo looks for it: LINKER, RUNNER."""
        upper = self.underscored.replace(".", "_").upper()
        return self.env.get(f"CARGO_TARGET_{upper}_{what}", "")

    @property
    def has_zig(self) -> bool:
        return "CARGO_ZIGBUILD_ZIG_PATH" in self.env

    @property
    def is_for_zigbuild(self) -> bool:
        """It leaves compiler and linker to cross's zig mode, as that asks for."""
        return self.has_zig and not self.find("CC")

    @property
    def runs_with(self) -> str:
        return self.labels.get(RUNS_WITH, "")


def guess_triple(env: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """What a strange image is for, by its label, or by the one linker that it names for cargo."""
    if labels.get(FOR_TARGET):
        return labels[FOR_TARGET]
    linkers = [name[len("CARGO_TARGET_") : -len("_LINKER")] for name in env
               if name.startswith("CARGO_TARGET_") and name.endswith("_LINKER")]  # fmt: skip
    found = [triple for triple in TARGETS if triple.replace("-", "_").replace(".", "_").upper() in linkers]
    return found[0] if len(found) == 1 else ""
