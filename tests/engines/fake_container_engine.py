"""A fake container engine, which keeps the names of all that it makes for builds in a set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imagefab.engines.claim import Claim
from imagefab.engines.container import BuildFailedError, BuildOrder, ContainerEngine
from imagefab.engines.engine import Finding
from imagefab.errors import EngineError
from imagefab.progress import Progress
from imagefab.store.store import Store


class FakeContainerEngine(ContainerEngine):
    name = "fake"

    def __init__(self) -> None:
        self.is_daemon = False
        self.things: set[str] = set()
        self.orders: list[BuildOrder] = []
        self.log: list[str] | None = None
        self.error: BaseException | None = None
        self.is_stuck = False

    def look(self) -> Sequence[Finding]:
        return [Finding(what="fake", ok=True, detail="1.0")]

    def answers(self) -> bool:
        raise AssertionError

    def mend(self, log: str) -> str:
        return f"mend {len(log.splitlines())} lines"

    def identity(self) -> str:
        return "here"

    def run_build(self, order: BuildOrder, claim: Claim, progress: Progress) -> None:
        self.orders.append(order)
        self.things |= {*claim.tags, claim.container}
        if self.log is not None:
            raise BuildFailedError("fake build", self.log)
        if self.error is not None:
            raise self.error

    def clear(self, claim: Claim) -> None:
        if self.is_stuck:
            raise EngineError("stuck")
        self.things -= {*claim.tags, claim.container}

    def has(self, tag: str) -> bool:
        raise AssertionError

    def tag(self, name: str, other: str) -> None:
        raise AssertionError

    def remove(self, tag: str) -> None:
        raise AssertionError

    def save(self, tag: str, archive: Path) -> None:
        raise AssertionError

    def load(self, archive: Path) -> None:
        raise AssertionError

    def client(self) -> list[str]:
        raise AssertionError


def count_claims(store: Store) -> int:
    return len(list((store.root / "claims").iterdir()))
