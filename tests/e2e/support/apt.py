"""Real apt, asked what it would install: with the same indexes, in a folder of the test's own, in simulation.

Nothing of any machine's own apt configuration takes part; the program may be the host's or one inside an image.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from imagefab.debian.apt import find_mirrors
from imagefab.debian.archive import ArchiveReader
from imagefab.debian.index import decompress_index
from imagefab.debian.pin import PackagePin
from imagefab.debian.universe import Universe
from imagefab.fetch.fetcher import Download, Fetcher
from imagefab.lock.resolve import resolve
from imagefab.progress import SilentProgress
from imagefab.recipe.model import Archive
from imagefab.store.store import Store
from imagefab.toolchains.blueprint import Blueprint

Chosen = set[tuple[str, str, str]]
"""Name, architecture, version."""


@dataclass(eq=False)
class Oracle:
    """Asks apt what it would install."""

    folder: Path
    fetcher: Fetcher
    reader: ArchiveReader
    answers: dict[object, Chosen] = field(default_factory=dict)

    @cache  # noqa: B019
    def list_file(self, archive: Archive, architecture: str) -> tuple[str, str]:
        """The name that apt gives a list, and the list's text."""
        release = self.reader.open_suite(archive).release
        path = f"main/binary-{architecture}/Packages"
        packed, plain = release.find_file(f"{path}.xz"), release.find_file(path)
        assert packed and plain
        texts: list[bytes] = []

        def keep(file: Path, _: Download) -> None:
            texts.append(decompress_index(file, size=plain.size, sha256=plain.sha256))

        url_path = f"dists/{archive.suite}/main/binary-{architecture}/by-hash/SHA256/{packed.sha256.hex}"
        urls = self.fetcher.mirrors.urls(archive.archive, url_path)
        download = Download(label=path, digest=packed.sha256, size=packed.size, urls=urls)
        self.fetcher.fetch_files([download], keep, label="lists")
        return f"_archive_dists_{archive.suite}_main_binary-{architecture}_Packages", texts[0].decode()

    @cache  # noqa: B019
    def stanzas(self, archive: Archive, architecture: str) -> Mapping[tuple[str, str, str], str]:
        found = {}
        for text in self.list_file(archive, architecture)[1].split("\n\n"):
            if text.strip():
                fields = re.findall(r"^(Package|Architecture|Version): (.*)$", text, re.MULTILINE)
                by_name = dict(fields)
                found[by_name["Package"], by_name["Architecture"], by_name["Version"]] = text
        return found

    def lay_out(self, root: Path, archives: Sequence[Archive], universe: Universe) -> None:
        """Indexes and configuration, as apt wants them below a folder."""
        for name in ("lists/partial", "cache/archives/partial", "etc"):
            (root / name).mkdir(parents=True, exist_ok=True)
        for archive, architecture in _list_places(archives, universe):
            name, text = self.list_file(archive, architecture)
            if not (root / "lists" / name).exists():
                (root / "lists" / name).write_text(text)
        (root / "etc" / "sources.list").write_text(
            "".join(
                f"deb [trusted=yes arch={','.join(universe.architectures)}] file:/archive {archive.suite} main\n"
                for archive in archives
            )
        )

    def choose(
        self, universe: Universe, archives: Sequence[Archive], installed: Sequence[PackagePin], request: Sequence[str]
    ) -> Chosen:
        """What the host's apt would install on a system that has certain packages."""
        root = self.folder / universe.native
        self.lay_out(root, archives, universe)
        known = {key: text for place in _list_places(archives, universe) for key, text in self.stanzas(*place).items()}
        (root / "status").write_text("".join(_status(known, pin) for pin in installed))
        command = make_command(root, universe, request, status=root / "status")
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "APT_CONFIG": "/dev/null"}
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert answer.returncode == 0, f"apt refuses:\n{answer.stdout}\n{answer.stderr}"
        return read_answer(answer.stdout)

    def compare(self, blueprint: Blueprint) -> None:
        """Every layer of a blueprint, each on top of those below it as imagefab chose them."""
        foreign = dict.fromkeys(name for layer in blueprint.layers for name in layer.architectures)
        universe = self.reader.open_universe(blueprint.archives, (blueprint.platform.debian_arch, *foreign))
        installed: list[PackagePin] = []
        architectures: list[str] = []
        for number, (spec, ours) in enumerate(zip(blueprint.layers, resolve(blueprint, universe), strict=True)):
            architectures += spec.architectures
            view = universe.restrict(architectures)
            request = (*view.essential_packages(), *spec.packages) if number == 0 else spec.packages
            # Lower layers are the same in many recipes; apt is asked once.
            question = (view.architectures, tuple(installed), tuple(request))
            if question not in self.answers:
                self.answers[question] = self.choose(view, blueprint.archives, installed, request)
            found = {(pin.name, pin.architecture, pin.version) for pin in ours.packages}
            assert found == self.answers[question], f"{blueprint.recipe}, layer {spec.name}"
            installed += ours.packages


@contextmanager
def open_oracle(folder: Path) -> Iterator[Oracle]:
    store = Store(folder / "store")
    with Fetcher(store=store, mirrors=find_mirrors(), progress=SilentProgress()) as fetcher:
        yield Oracle(folder / "apt", fetcher, ArchiveReader(fetcher, now=datetime.now(UTC)))
    store.close()


def make_command(root: Path, universe: Universe, request: Sequence[str], *, status: Path) -> list[str]:
    options = {
        "Dir::State": root,
        "Dir::State::lists": root / "lists",
        "Dir::State::status": status,
        "Dir::Cache": root / "cache",
        "Dir::Etc": root / "etc",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Cache::pkgcache": "",
        "APT::Architecture": universe.native,
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
    }
    return [
        "apt-get",
        "-s",
        "-y",
        "install",
        "--no-install-recommends",
        *(part for key, value in options.items() for part in ("-o", f"{key}={value}")),
        *(part for name in universe.architectures for part in ("-o", f"APT::Architectures::={name}")),
        *request,
    ]


def read_answer(text: str) -> Chosen:
    assert "\nRemv " not in text, text
    lines = re.findall(r"^Inst (\S+) (?:\[[^]]*\] )?\((\S+) .*\[(\w+)\]\)", text, re.MULTILINE)
    return {(name.partition(":")[0], architecture, version) for name, version, architecture in lines}


def _list_places(archives: Sequence[Archive], universe: Universe) -> list[tuple[Archive, str]]:
    return [
        (archive, architecture)
        for archive in archives
        for architecture in universe.architectures
        if architecture not in universe.incomplete or archive is archives[0]
    ]


def _status(known: Mapping[tuple[str, str, str], str], pin: PackagePin) -> str:
    first, _, rest = known[pin.name, pin.architecture, pin.version].strip("\n").partition("\n")
    return f"{first}\nStatus: install ok installed\n{rest}\n\n"
