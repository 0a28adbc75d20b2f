"""The subject of a check: an image's target and config, from any builder.

Everything that probes use is read from the image's own variables, in the order in which cargo and the crates look them
up, so that users get what passes here.
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
    """The expected target; empty if neither a recipe nor a label specifies it."""
    env: Mapping[str, str]
    labels: Mapping[str, str]
    entrypoint: tuple[str, ...] = ()
    architecture: str = ""
    """The image's architecture, by its OCI name."""
    bound: frozenset[str] = frozenset()
    """Paths in the image where the check mounts something from the host."""

    @property
    def target(self) -> Target | None:
        """The target, or None if imagefab does not know it."""
        return TARGETS.get(self.triple)

    @property
    def os(self) -> str:
        """The target's system, as far as it is known."""
        return self.target.os if self.target else "linux"

    @property
    def underscored(self) -> str:
        return self.triple.replace("-", "_")

    def find(self, stem: str) -> str:
        """Return a variable as the cc and cmake crates look it up, the most specific first; empty if none is set."""
        for name in (f"{stem}_{self.triple}", f"{stem}_{self.underscored}", f"TARGET_{stem}"):
            if self.env.get(name):
                return self.env[name]
        return ""

    def find_cargo(self, what: str) -> str:
        """Return a variable as cargo looks it up: LINKER, RUNNER."""
        upper = self.underscored.replace(".", "_").upper()
        return self.env.get(f"CARGO_TARGET_{upper}_{what}", "")

    @property
    def has_zig(self) -> bool:
        return "CARGO_ZIGBUILD_ZIG_PATH" in self.env

    @property
    def is_for_zigbuild(self) -> bool:
        """Whether it sets no compiler or linker, as cross's zig mode requires."""
        return self.has_zig and not self.find("CC")

    @property
    def runs_with(self) -> str:
        return self.labels.get(RUNS_WITH, "")


def guess_triple(env: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """Return the triple of an unknown image, from its label or from the only linker that it sets for cargo."""
    if labels.get(FOR_TARGET):
        return labels[FOR_TARGET]
    linkers = [name[len("CARGO_TARGET_") : -len("_LINKER")] for name in env
               if name.startswith("CARGO_TARGET_") and name.endswith("_LINKER")]  # fmt: skip
    found = [triple for triple in TARGETS if triple.replace("-", "_").replace(".", "_").upper() in linkers]
    return found[0] if len(found) == 1 else ""
