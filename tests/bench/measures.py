"""What the bench measures: how long things take against what one would do otherwise, as ratios of medians, in one run.

The other way is a Dockerfile with the same packages, installed by apt-get on a Debian base image that is there already,
built by buildx without cache, and pushed to a registry on this machine (or saved). What imagefab builds includes the
base. The floor is what no builder can avoid: decode every package once, write its files once, compress them once.

Absolute times depend on the machine; the ratios are what counts. IMAGEFAB_BENCH_RUNS sets how many runs a median has.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from imagefab.lock.file import read_lock
from imagefab.lock.staleness import platform_pins
from imagefab.oci.compress import MEMBER, compress_member
from imagefab.oci.image import LOCAL_NAMESPACE
from tests.bench.updates import measure_updates
from tests.process import mkdir, run, say, timed

ROOT = Path(__file__).parents[2]
RUNS = int(os.environ.get("IMAGEFAB_BENCH_RUNS", "3"))
RECIPE, SIBLING, MUSL = "aarch64-gnu", "riscv64gc-gnu", "aarch64-musl"
PACKAGES = "gcc g++ libc6-dev make cmake ninja-build pkg-config perl file g++-aarch64-linux-gnu"
"""The emulator is left out: the other way would have to install all of them."""


class Bench:
    def __init__(self, folder: Path, name: str, registry: str) -> None:
        """`name` is in all that is put into Docker, `registry` the address of one with its files in `folder`."""
        self.folder = folder
        self.name = name
        self.place = f"{registry}/{name}"
        self.naive = f"{self.place}/naive:latest"
        self.base, self.one, self.more = f"{name}-base", f"{name}-one", f"{name}-more"
        """Recipes of the bench's own: the base alone, RECIPE once more, and with one layer more."""
        self.packages = folder / "packages"
        self.medians: dict[str, float] = {}

    # -- preparation --------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Packages fetched, a base image for the other way, nothing built."""
        say(f"preparing: packages, a base image, a registry ({RUNS} runs each)")
        shutil.copytree(ROOT / "recipes", self.folder / "project/recipes")
        shutil.copytree(ROOT / "images", self.folder / "project/images")
        self.imagefab(self.packages, "lock", "--upgrade")
        self.imagefab(self.packages, "build", RECIPE, SIBLING, MUSL)
        self._load_base()

    def _load_base(self) -> None:
        """The base layer alone, as the Debian image that people have."""
        (self.folder / "project/recipes/bases/bench.toml").write_text('description = "b"\nbase = "debian-trixie"\n')
        self.recipe(self.base).write_text(
            'description = "the base alone"\ntarget = "x86_64-unknown-linux-gnu"\nkind = "gcc"\nbase = "bench"\n'
            'platforms = ["linux/amd64"]\nrunner = "none"\n'
        )
        self.imagefab(self.packages, "lock", self.base)
        self.imagefab(self.packages, "build", self.base, "--load")
        self.recipe(self.base).unlink()

    def recipe(self, name: str) -> Path:
        return self.folder / f"project/recipes/{name}.toml"

    def store(self) -> Path:
        """A store with the packages in it and nothing built or derived."""
        store = self.folder / "store"
        shutil.rmtree(store, ignore_errors=True)
        for record in ("layers", "derived"):
            assert (self.packages / record).is_dir()
        built = {path.stem for path in (self.packages / "layers").glob("*.json")}
        assert built
        run("cp", "-al", self.packages / "blobs", mkdir(store) / "blobs")
        run("cp", "-a", self.packages / "checked", store / "checked")
        return store

    def imagefab(self, store: Path, *arguments: str) -> None:
        run(sys.executable, "-m", "imagefab", "-C", self.folder / "project", "--store", store, "-q", *arguments)

    def clean(self) -> None:
        self.forget(self.name)

    def forget(self, part: str) -> None:
        """Remove the images from Docker that have this in their names."""
        names = run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}").split()
        if found := [name for name in names if part in name]:
            run("docker", "rmi", *found)

    # -- measuring ----------------------------------------------------------------------------------------------------

    def measure(self) -> None:
        self.median("naive build and push", self.naive_push)
        self.median("naive build and save", self.naive_save)
        for engine in ("sandbox", "docker", "podman"):
            self.median(f"cold, {engine}", partial(self.cold, engine), against="naive build and push")
        self.median("second sibling", partial(self.sibling, SIBLING), against="naive build and push")
        self.median("musl sibling, with its C++", partial(self.sibling, MUSL), against="naive build and push")
        self.median("floor of the cold build", self.floor)
        times = self.medians["cold, sandbox"] / self.medians["floor of the cold build"]
        say(f"{'cold, sandbox':<34} {times:7.2f} times the floor")
        self.median("nothing changed", self.nothing, against="naive build and push")
        self.median("apt-get update", self.apt_update)
        self.median("lock of all recipes, warm", self.lock, against="apt-get update")
        self.publishing()
        plain = self.layer()
        self.median("docker push of a layer", lambda: self.push_layer(plain))
        self.median("our compression of it", lambda: compress_all(plain), against="docker push of a layer")
        measure_updates(self.folder, self.packages)

    def median(self, name: str, work: Callable[[], float], against: str | None = None) -> None:
        """Print the median of several runs; `work` says how long the part took that counts."""
        seconds = statistics.median(work() for _ in range(RUNS))
        self.medians[name] = seconds
        ratio = f"  {seconds / self.medians[against]:6.3f} of {against}" if against else ""
        say(f"{name:<34} {seconds:7.2f} s{ratio}")

    def cold(self, engine: str) -> float:
        store = self.store()
        return timed(lambda: self.imagefab(store, "build", RECIPE, "--engine", engine, "--no-cache"))

    def sibling(self, recipe: str) -> float:
        """One more image on the same bases. That of musl compiles GCC's C++ library for it, which is done once."""
        store = self.store()
        self.imagefab(store, "build", RECIPE)
        return timed(lambda: self.imagefab(store, "build", recipe))

    def nothing(self) -> float:
        return timed(lambda: self.imagefab(self.packages, "build", RECIPE))

    def lock(self) -> float:
        return timed(lambda: self.imagefab(self.packages, "lock", "--upgrade"))

    # -- publishing ---------------------------------------------------------------------------------------------------

    def publishing(self) -> None:
        """The same image to the same registry, by both: to an empty one, with one layer new, with nothing new."""
        text = self.recipe(RECIPE).read_text()
        self.recipe(self.one).write_text(text)
        self.recipe(self.more).write_text(f'{text}\n[[files]]\npath = "/opt/file"\ncontent = "more"\n')
        self.imagefab(self.packages, "lock", self.one, self.more)
        self.imagefab(self.packages, "build", self.one, self.more, "--load")
        for name, known, recipes in (
            ("to an empty registry", (), self.one),
            ("with one layer new", (self.one,), self.more),
            ("with nothing new", (self.one,), self.one),
        ):
            self.median(f"docker push, {name}", partial(self.docker_push, known, recipes))
            self.median(f"publish, {name}", partial(self.publish, known, recipes), against=f"docker push, {name}")
        self.forget(self.one)
        self.forget(self.more)
        self.median("verify", lambda: timed(lambda: self.imagefab(self.packages, "verify", self.one)))
        self.median("refresh of all, nothing new", self.refresh, against="apt-get update")

    def docker_push(self, known: Sequence[str], recipe: str) -> float:
        shutil.rmtree(self.folder / "registry", ignore_errors=True)
        # The engine remembers what it pushed where; a new name makes it look.
        place = f"{self.place}/run-{time.monotonic_ns()}"
        for one in (*known, recipe):
            run("docker", "tag", loaded(one), f"{place}:{one}")
        for one in known:
            run("docker", "push", f"{place}:{one}")
        seconds = timed(lambda: run("docker", "push", f"{place}:{recipe}"))
        run("docker", "rmi", *(f"{place}:{one}" for one in dict.fromkeys((*known, recipe))))
        return seconds

    def publish(self, known: Sequence[str], recipe: str) -> float:
        shutil.rmtree(self.folder / "registry", ignore_errors=True)
        for name in (self.one, self.more):
            (self.folder / "project/images" / name / "published.toml").unlink(missing_ok=True)
        to = ("--to", f"{self.place}/ours", "--unchecked", "--no-attach")
        for one in known:
            self.imagefab(self.packages, "publish", one, *to)
        return timed(lambda: self.imagefab(self.packages, "publish", recipe, *to))

    def refresh(self) -> float:
        for name in (self.one, self.more):
            shutil.rmtree(self.folder / "project/images" / name, ignore_errors=True)
            self.recipe(name).unlink(missing_ok=True)
        # What was checked before the archives moved would be built and checked again, all of it.
        for checked in (self.folder / "project/images").glob("*/checked.toml"):
            checked.unlink()
        self.imagefab(self.packages, "render")
        return timed(lambda: self.imagefab(self.packages, "refresh", "--all"))

    def floor(self) -> float:
        """Every package decoded, its files written, and all of it compressed: on all cores, and nothing else."""
        from imagefab.debian.ar import find_member, list_members, open_member

        packages = [path for path in self.blobs() if path.open("rb").read(8) == b"!<arch>\n" and not is_extract(path)]
        target = mkdir(self.folder / "floor")

        def decode(path: Path) -> bytes:
            with (
                path.open("rb") as file,
                open_member(file, find_member(list_members(file), "data.tar"), decode=True) as data,
            ):
                return data.read()

        def work() -> None:
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                for number, data in enumerate(pool.map(decode, packages)):
                    (target / str(number)).write_bytes(data)
                    for start in range(0, len(data), MEMBER):
                        pool.submit(compress_member, data[start : start + MEMBER])

        seconds = timed(work)
        shutil.rmtree(target)
        return seconds

    def blobs(self) -> list[Path]:
        lock = read_lock(self.folder / "project/images" / RECIPE / "imagefab.lock", recipe=RECIPE)
        pins = platform_pins(lock, "linux/amd64")
        names = (pin.sha256.hex for pin in pins if pin.architecture in ("amd64", "all"))
        return [self.packages / "blobs/sha256" / name[:2] / name for name in dict.fromkeys(names)]

    # -- the other way ------------------------------------------------------------------------------------------------

    def naive_build(self) -> None:
        folder = mkdir(self.folder / "naive")
        (folder / "debian.sources").write_text(
            "".join(
                f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\n"
                "Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp\n\n"
                for uri, suites in host_mirrors()
            )
        )
        (folder / "Dockerfile").write_text(
            f"FROM {loaded(self.base)}\n"
            "COPY debian.sources /etc/apt/sources.list.d/debian.sources\n"
            "RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "
            f"{PACKAGES} && rm -rf /var/lib/apt/lists/*\n"
        )
        build = ("docker", "buildx", "build", "--no-cache", "--network", "host", "--load", "--tag", self.naive)
        run(*build, folder)

    def naive_push(self) -> float:
        shutil.rmtree(self.folder / "registry", ignore_errors=True)

        self.forget(self.naive)

        def work() -> None:
            self.naive_build()
            run("docker", "push", self.naive)

        return timed(work)

    def naive_save(self) -> float:
        target = self.folder / "naive.tar"
        self.forget(self.naive)

        def work() -> None:
            self.naive_build()
            run("docker", "save", "--output", target, self.naive)

        seconds = timed(work)
        target.unlink()
        return seconds

    def apt_update(self) -> float:
        """Only the reading of indexes, which locking does too, in a container of the base."""
        sources = self.folder / "naive/debian.sources"
        command = ("docker", "run", "--rm", "--network", "host")
        mounted = ("--volume", f"{sources}:/etc/apt/sources.list.d/debian.sources:ro", loaded(self.base))
        return timed(lambda: run(*command, *mounted, "apt-get", "update"))

    def layer(self) -> Path:
        """The toolchain layer of the other way, plain."""
        saved = self.folder / "saved.tar"
        run("docker", "save", "--output", saved, self.naive)
        with tarfile.open(saved) as tar:
            largest = max((m for m in tar if m.isreg()), key=lambda member: member.size)
            tar.extract(largest, self.folder / "layer", filter="data")
        saved.unlink()
        return self.folder / "layer" / largest.name

    def push_layer(self, plain: Path) -> float:
        """The same image pushed to an empty registry: compression, hashing and sending on loopback."""
        del plain
        shutil.rmtree(self.folder / "registry", ignore_errors=True)
        # The engine remembers what it pushed where; a new name makes it look.
        tag = f"{self.place}/run-{time.monotonic_ns()}:latest"
        run("docker", "tag", self.naive, tag)
        seconds = timed(lambda: run("docker", "push", tag))
        run("docker", "rmi", tag)
        return seconds


def compress_all(plain: Path) -> float:
    def work() -> None:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool, plain.open("rb") as file:
            chunks = iter(lambda: file.read(MEMBER), b"")
            sum(len(member) for member in pool.map(compress_member, chunks))

    return timed(work)


def loaded(recipe: str) -> str:
    """What Docker calls the image of a recipe that `--load` put into it."""
    return f"{LOCAL_NAMESPACE}/{recipe}:latest"


def is_extract(path: Path) -> bool:
    """The package of all emulators, of which one file is taken: nobody has to decode all of it."""
    return path.stat().st_size > 60_000_000


def host_mirrors() -> list[tuple[str, str]]:
    from imagefab.debian.apt import find_mirrors

    mirrors = find_mirrors()
    return [
        (mirrors.urls("debian", "")[0], "trixie trixie-updates"),
        (mirrors.urls("debian-security", "")[0], "trixie-security"),
    ]
