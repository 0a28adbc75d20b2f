"""Recipes whose steps sleep, to be found among all processes while they do."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.processes import list_command_lines, wait_until
from tests.e2e.support.projects import add_step, write_recipe


@dataclass(frozen=True)
class Sleepers:
    """How long they sleep is their name: nobody else on this machine sleeps just as long."""

    seconds: Sequence[str]

    @classmethod
    def add_to(cls, line: CommandLine) -> Sleepers:
        made = cls([f"{50000 + number}.{secrets.randbelow(10**9):09}" for number in (1, 2)])
        for seconds, recipe in zip(made.seconds, made.recipes, strict=True):
            # The step's shell, its child, and a grandchild that nobody waits for.
            write_recipe(line.folder, recipe, add_step(f"(setsid sleep {seconds} &)\nsleep 54000 & sleep 54000"))
        line.run("lock", *made.recipes)
        return made

    @property
    def recipes(self) -> list[str]:
        return [f"sleeper-{number}" for number, _ in enumerate(self.seconds)]

    def wait_for(self, which: Callable[[Iterable[bool]], bool]) -> None:
        """Until all of them sleep, or any."""
        wait_until(lambda: which(seconds in self._list_asleep() for seconds in self.seconds))

    def wait_for_none(self) -> None:
        wait_until(lambda: not self._list_asleep(), 60)

    def _list_asleep(self) -> list[str]:
        asleep = [words[1] for _, words in list_command_lines() if len(words) == 2 and words[0] == "sleep"]
        return [seconds for seconds in self.seconds if seconds in asleep]
