"""The linter for images and runners."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from imagefab.cross.pin import is_fixed, is_local
from imagefab.cross.profile import Profile
from imagefab.cross.remark import Ours, Remark
from imagefab.toml.edit import Keys, find_value
from imagefab.toml.grammar import quote
from imagefab.toml.positions import Path

_PLATFORM = re.compile(r"linux/(amd64|arm64|arm64/v8)\Z|[a-z]+/[a-z0-9_]+(/[a-z0-9]+)?=[A-Za-z0-9_.-]+\Z")
_TRIPLE = re.compile(r"[A-Za-z0-9_.]+(-[A-Za-z0-9_.]+){1,3}\Z")
_VERSION = re.compile(r"v?\d+(\.\d+)+([-.][A-Za-z0-9.-]+)?\Z|\d{4}-\d\d-\d\d.*\Z")
_CROSS_OWN = re.compile(r"ghcr\.io/cross-rs/([^:@]+)")
_RUNNERS = ("native", "qemu-user", "qemu-system")


def check_image(triple: str, table: Mapping[str, Any], profile: Profile) -> Iterator[Remark]:
    for way in (("image",), ("zig", "image")):
        image = find_value(table, way)
        path = ("target", triple, *way)
        if isinstance(image, str):
            yield from _check_reference(image, path, triple, profile)
        elif isinstance(image, dict) and profile.image_tables:
            if isinstance(name := image.get("name"), str):
                yield from _check_reference(name, (*path, "name"), triple, profile)
            yield from _check_toolchain(image.get("toolchain"), (*path, "toolchain"))


def _check_reference(name: str, path: Keys, triple: str, profile: Profile) -> Iterator[Remark]:
    if name[:1] in (":", "@", "-") and name:
        if not profile.image_tables:
            text = f"{quote(name)} is not the name of an image, and {profile.says} gives it to the engine as it is"
        elif name.startswith("-"):
            text = f"{quote(name)} means cross's own image for {quote(triple)}, with {quote(name)} in its tag"
        else:
            text = f"{quote(name)} means cross's own image: {quote(f'ghcr.io/cross-rs/{triple}{name}')}"
        yield Remark(path, text, "write the whole name: registry/name@sha256:…")
        return
    if name.removeprefix("docker.io/").startswith("rustembedded/cross"):
        yield Remark(
            path,
            f"{quote(name)} is of 2021 or older: cross has its images elsewhere since, and these get no fixes",
            f"`ghcr.io/cross-rs/{triple}`, or an image of your own",
            group="rustembedded",
        )
        return
    if (own := _CROSS_OWN.match(name)) and re.search("-apple-|-windows-msvc", own[1]):
        yield Remark(
            path,
            f"there is no image {quote(name)}: what it needs may not be redistributed",
            "build one yourself, with the vendor's SDK",
        )
        return
    if "@" in name and not is_fixed(name):
        yield Remark(path, f"{quote(name)} has no whole digest", "a digest is `sha256:` and 64 hexadecimal digits")
    elif not is_fixed(name):
        yield _explain_tag(name, path)


def _explain_tag(name: str, path: Keys) -> Remark:
    if is_local(name):
        return Remark(
            path,
            f"{quote(name)} names no registry: an image of this machine has no digest to pin, and others don't have it",
            "publish it, and pin it by digest; or write a Dockerfile or a recipe",
            group="local images",
        )
    tag = name.rpartition("/")[2].partition(":")[2]
    if _VERSION.match(tag):
        return Remark(
            path,
            f"{quote(name)} is a version, and stays only as long as nobody moves the tag",
            "pin it by digest: name@sha256:…",
            group="version tags",
        )
    return Remark(
        path,
        f"{quote(name)} can be another image tomorrow, and cross never pulls again what a machine has",
        "pin it by digest: name@sha256:…",
        group="moving tags",
    )


def _check_toolchain(entries: object, path: Keys) -> Iterator[Remark]:
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, str) and not _PLATFORM.match(entry) and not _TRIPLE.match(entry):
            yield Remark(
                (*path, index),
                f"{quote(entry)} is not a host platform",
                "like `linux/amd64`, `linux/arm64=aarch64-unknown-linux-gnu` or `x86_64-unknown-linux-gnu`",
                fatal=True,
            )


def check_dockerfile(
    triple: str, table: Mapping[str, Any], data: Mapping[str, Any], our: Ours | None
) -> Iterator[Remark]:
    """Warn about a Dockerfile for a target with an image: cross builds it and tags the result with the image's name."""
    image = table.get("image")
    name = image.get("name") if isinstance(image, dict) else image
    if not isinstance(name, str):
        return
    if "dockerfile" in table:
        path: Path = ("target", triple, "dockerfile")
        hint = "leave out `dockerfile` or `image`"
    elif find_value(data, ("build", "dockerfile")) is not None:
        path = ("build", "dockerfile")
        hint = "it is for every target; give it to those that need it, under [target.TRIPLE]"
    else:
        return
    if our is not None:
        if path[0] == "target":
            hint = f"leave it out; what it adds to the image can stand in recipes/{our.recipe}.toml"
        text = f"cross would build over the image pinned for {quote(triple)}: it fails, or replaces that image"
        yield Remark(path, text, hint, on_key=True, fatal=True)
    elif is_fixed(name):
        text = f"cross would build over the image pinned for {quote(triple)}: it fails, or replaces that image"
        yield Remark(path, text, hint, on_key=True)
    else:
        yield Remark(
            path,
            f"cross builds this image and calls it {quote(name)}, as the image of {quote(triple)}",
            hint,
            on_key=True,
        )


def check_runner(triple: str, table: Mapping[str, Any]) -> Iterator[Remark]:
    """Warn about a runner that no image of cross has. Other images may have others."""
    runner, image = table.get("runner"), table.get("image")
    is_cross = image is None or (isinstance(image, str) and _CROSS_OWN.match(image) is not None)
    if isinstance(runner, str) and runner and runner not in _RUNNERS and (is_cross or runner == "qemu"):
        yield Remark(
            ("target", triple, "runner"),
            f"there is no runner {quote(runner)}: tests fail with `Invalid runner`",
            f"it is {', '.join(map(quote, _RUNNERS[:-1]))} or {quote(_RUNNERS[-1])}; without `runner` cross chooses",
        )


def check_ours(triple: str, table: Mapping[str, Any], profile: Profile, our: Ours) -> Iterator[Remark]:
    runner = table.get("runner")
    without = [name for name, known in our.runners.items() if runner not in known]
    if isinstance(runner, str) and runner and without:
        has = dict.fromkeys(name for platform in without for name in sorted(our.runners[platform]))
        yield Remark(
            ("target", triple, "runner"),
            f"the image of {our.recipe} for {' and '.join(without)} does not run programs with {quote(runner)}",
            f"it runs them with {', '.join(map(quote, has)) or 'nothing'}; without `runner` it chooses",
        )
    if profile.host_words is not None and not any(word in triple for word in profile.host_words):
        yield Remark(
            ("target", triple),
            f"{profile.says} does not use a container for {triple}: it runs the host's cargo",
            "use `imagefab run`, or cross's main branch",
            on_key=True,
        )
