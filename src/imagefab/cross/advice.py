"""What to know about an image and about this machine, where it applies: a line each, with a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagefab.recipe.target import Target

_PASSED_ON = {
    "RUSTFLAGS": "it counts for the target's code in the image, as here",
    "CARGO_BUILD_RUSTFLAGS": "it counts for the target's code in the image, as here",
    "CARGO_BUILD_RUSTC_WRAPPER": "the image has no such program",
    "CARGO_ENCODED_RUSTFLAGS": "it counts for the target's code in the image, as here",
}
"""Variables of the host's that cross hands to the image: it passes on RUSTFLAGS, and all of cargo's."""


def advise_on_image(target: Target, *, runner: str, floor: str | None) -> Iterator[str]:
    """Yield what helps those who build for this target in an image with this runner."""
    triple = target.triple
    if runner == "qemu-user":
        yield f"a test that fails only here: `QEMU_STRACE=1 cross test --target {triple}` shows its system calls"
    if target.os == "linux" and target.is_musl:
        yield "OpenSSL and other libraries are compiled along: `cargo add openssl --features vendored`"
    elif target.os == "linux" and floor:
        yield f"programs need glibc {floor}: `imagefab judge PROGRAM` says why, and --runs-on tries an older system"
    if target.os in ("none", "uefi", "avr", "bpf"):
        yield f"without a std from rustup: `cargo +nightly build -Zbuild-std=core,alloc --target {triple}`"
    if target.os == "linux":
        yield "build scripts run on the host: CARGO_CFG_TARGET_OS tells them the target's system, cfg!() does not"


def advise_on_host(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what the host's environment brings into every build with cross."""
    for name, meaning in _PASSED_ON.items():
        if environment.get(name):
            yield f"{name} is set, and cross passes it on: {meaning}; `env -u {name} cross build …` does without"
