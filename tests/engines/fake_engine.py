"""A fake engine, which builds layers of one file and fails where it should."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.oci.sample_trees import file, write_file

from imagefab.engines.engine import BuildTask, Finding
from imagefab.errors import EngineError
from imagefab.oci.tree import LayerDifference
from imagefab.store.store import Store


@dataclass
class FakeEngine:
    """Builds a layer with one file in it: the layer's key."""

    name: str = "fake"
    starts_anew: bool = False
    built: list[str] = field(default_factory=list)
    fail_at: int | None = None
    stop_at: int | None = None
    skip: int = 0
    gate: threading.Event | None = None
    gate_at: int = 0
    """Before which layer it waits for the gate."""
    inside: threading.Event = field(default_factory=threading.Event)

    def is_known_to_work(self, store: Store) -> bool:
        return False

    def inspect(self, store: Store) -> Sequence[Finding]:
        return ()

    def build(self, request: BuildTask) -> None:
        self.inside.set()
        for number in range(len(request.have) + self.skip, len(request.plan.layers)):
            if number == self.gate_at and self.gate is not None:
                assert self.gate.wait(10)
            if number == self.fail_at:
                raise EngineError("a step failed")
            if number == self.stop_at:
                return
            key = request.plan.layers[number].key
            self.built.append(request.plan.layers[number].name)
            folder = request.folder / f"{number}"
            folder.mkdir()
            difference = LayerDifference({f"layer-{number}": file(key.hex.encode())}, ())
            request.done(number, [write_file(difference, folder, request.plan.layers[number].name)])
