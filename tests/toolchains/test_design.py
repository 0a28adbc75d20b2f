"""The design's rules: which layers an image has, and what it sets for cargo, the cc crate and cross."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from tests.sample_recipe import ROOT, TOOLS, make_recipe

from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import Additions, Recipe
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.blueprint import GLIBC_CLAIM, IMAGE_PATH, Blueprint
from imagefab.toolchains.design import KINDS, RULES, design_image

PLAIN = make_recipe(additions=Additions())


def design(recipe: Recipe = PLAIN, **changes: object) -> Blueprint:
    return design_image(replace(recipe, **changes), AMD64)  # type: ignore[arg-type]


def layer_names(blueprint: Blueprint) -> list[str]:
    return [layer.name for layer in blueprint.layers]


ARM_TARGET = TARGETS["aarch64-unknown-linux-gnu"]
MUSL_TARGET = TARGETS["aarch64-unknown-linux-musl"]
PPC_TARGET = TARGETS["powerpc-unknown-linux-gnu"]

# -- layers -----------------------------------------------------------------------------------------------------------


def test_layers_that_would_be_empty_are_left_out() -> None:
    assert layer_names(design()) == [
        "base", "tools", "runner-aarch64", "gcc-aarch64-linux-gnu", "build-systems",
    ]  # fmt: skip
    assert layer_names(design_image(PLAIN, ARM64)) == ["base", "tools", "runner-aarch64", "build-systems"]
    assert layer_names(design(bases=(ROOT, replace(TOOLS, additions=Additions())))) == [
        "base", "runner-aarch64", "gcc-aarch64-linux-gnu", "build-systems",
    ]  # fmt: skip


def test_the_first_layer_stays_even_when_nothing_is_asked_for() -> None:
    assert layer_names(design(bases=(replace(ROOT, additions=Additions()),), runner="none"))[0] == "base"


def test_what_a_recipe_adds_is_the_last_layer() -> None:
    assert layer_names(design(additions=Additions(host_packages=("jq",))))[-1] == "extras"


def test_the_targets_packages_are_in_its_architecture() -> None:
    added = Additions(target_packages=("libssl-dev",))
    foreign = design(additions=added).layers[-1]
    assert (foreign.architectures, foreign.packages) == (("arm64",), ("libssl-dev:arm64",))
    native = design_image(replace(PLAIN, additions=added), ARM64).layers[-1]
    assert (native.architectures, native.packages) == ((), ("libssl-dev",))


def test_an_architecture_that_the_archive_lacks_is_not_added() -> None:
    layer = design(target=PPC_TARGET).layers[-2]
    assert (layer.architectures, layer.packages) == ((), ("g++-powerpc-linux-gnu",))


def test_package_names_have_no_underscores() -> None:
    layer = design_image(replace(PLAIN, target=TARGETS["x86_64-unknown-linux-gnu"]), ARM64).layers[-2]
    assert layer.packages == ("g++-x86-64-linux-gnu",)


@pytest.mark.parametrize("recipe", [PLAIN, replace(PLAIN, target=MUSL_TARGET, kind="musl", runner="none")])
def test_all_layers_but_those_of_bases_are_in_the_list_of_names(recipe: Recipe) -> None:
    """Two of one name would have one folder of inputs and one stage. The loader goes by this list."""
    listed = set(RULES[recipe.kind].layer_names(recipe))
    for platform in (AMD64, ARM64):
        made = design_image(replace(recipe, additions=Additions(host_packages=("jq",))), platform)
        assert set(layer_names(made)) - {TOOLS.name} <= listed
    assert "image" in listed, "the Dockerfile's name for the whole"


def test_the_roots_own_name_is_free() -> None:
    assert layer_names(design(bases=(replace(ROOT, name="image"), TOOLS)))[0] == "base"


# -- environment ------------------------------------------------------------------------------------------------------


def test_variables_of_a_foreign_target() -> None:
    assert dict(design().env) == {
        "PATH": IMAGE_PATH,
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER": "aarch64-linux-gnu-gcc",
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER": "/linux-runner aarch64",
        "CROSS_TARGET_RUNNER": "/linux-runner aarch64",
        "CC_aarch64_unknown_linux_gnu": "aarch64-linux-gnu-gcc",
        "CXX_aarch64_unknown_linux_gnu": "aarch64-linux-gnu-g++",
        "AR_aarch64_unknown_linux_gnu": "aarch64-linux-gnu-ar",
        "CMAKE_TOOLCHAIN_FILE_aarch64_unknown_linux_gnu": "/opt/toolchain.cmake",
        "CROSS_CMAKE_SYSTEM_NAME": "Linux",
        "CROSS_CMAKE_SYSTEM_PROCESSOR": "aarch64",
        "CROSS_CMAKE_CRT": "gnu",
        "CROSS_CMAKE_OBJECT_FLAGS": "-ffunction-sections -fdata-sections -fPIC",
        "BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu": (
            "-isystem/usr/aarch64-linux-gnu/include -idirafter/usr/include/aarch64-linux-gnu -idirafter/usr/include"
        ),
        "CROSS_TOOLCHAIN_PREFIX": "aarch64-linux-gnu-",
        "CROSS_TOOLCHAIN_SUFFIX": "",
        "CROSS_SYSROOT": "/usr/aarch64-linux-gnu",
        "CROSS_DEB_ARCH": "arm64",
        "PKG_CONFIG_ALLOW_CROSS": "1",
        "PKG_CONFIG_PATH": "/usr/lib/aarch64-linux-gnu/pkgconfig",
        "QEMU_LD_PREFIX": "/usr/aarch64-linux-gnu",
        "RUST_TEST_THREADS": "1",
    }


def test_on_its_own_platform_nothing_is_emulated() -> None:
    env = dict(design_image(PLAIN, ARM64).env)
    assert not {"QEMU_LD_PREFIX", "RUST_TEST_THREADS", "CROSS_DEB_ARCH"} & env.keys()
    assert env["CROSS_SYSROOT"] == "/"
    assert env["CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER"] == "/linux-runner aarch64"


def test_dotted_triples() -> None:
    """cargo makes dots underscores in its variables; no shell hands on what the crates would look for."""
    dotted = replace(ARM_TARGET, triple="thumbv8m.main-none-eabihf")
    env = dict(design(target=dotted).env)
    assert env["CARGO_TARGET_THUMBV8M_MAIN_NONE_EABIHF_LINKER"] == "aarch64-linux-gnu-gcc"
    assert env["TARGET_CC"] == "aarch64-linux-gnu-gcc"
    assert env["TARGET_CMAKE_TOOLCHAIN_FILE"] == "/opt/toolchain.cmake"
    assert "CARGO_TARGET_THUMBV8M_MAIN_NONE_EABIHF_RUNNER" in env


def test_musl() -> None:
    env = dict(design(target=MUSL_TARGET, kind="musl").env)
    assert env["CC_aarch64_unknown_linux_musl"] == "aarch64-linux-musl-gcc"
    assert env["AR_aarch64_unknown_linux_musl"] == "aarch64-linux-musl-ar"
    assert env["CXX_aarch64_unknown_linux_musl"] == "aarch64-linux-musl-g++"
    assert env["QEMU_LD_PREFIX"] == "/usr/aarch64-linux-musl"


def test_variables_of_the_recipe_win() -> None:
    base = replace(TOOLS, additions=Additions(env=(("A", "base"), ("B", "base"), ("PKG_CONFIG_ALLOW_CROSS", "0"))))
    env = design(bases=(ROOT, base), additions=Additions(env=(("B", "recipe"), ("PATH", "/x")))).env
    assert (dict(env)["A"], dict(env)["B"], dict(env)["PATH"]) == ("base", "recipe", "/x")
    assert dict(env)["PKG_CONFIG_ALLOW_CROSS"] == "0"
    assert len(dict(env)) == len(env)
    assert env[0][0] == "PATH"


def test_without_a_runner_nothing_names_one() -> None:
    made = design(runner="none")
    assert not any("RUNNER" in name or "QEMU" in name for name, _ in made.env)
    assert dict(made.labels)["org.cross-rs.runs-with"] == "none"
    assert not any(layer.name.startswith("runner") for layer in made.layers)


@pytest.mark.parametrize(("platform", "name"), [(AMD64, "qemu-user"), (ARM64, "native")])
def test_labels(platform: object, name: str) -> None:
    labels = dict(design_image(PLAIN, platform).labels)  # type: ignore[arg-type]
    assert labels == {
        "org.cross-rs.for-cross-target": "aarch64-unknown-linux-gnu",
        "org.cross-rs.runs-with": name,
        "org.opencontainers.image.title": "small",
        "org.opencontainers.image.description": PLAIN.description,
        **({"imagefab.cpu": "cortex-a53"} if name == "qemu-user" else {}),
    }


@pytest.mark.parametrize(("claim", "said"), [("2.31", "2.31"), ("", None)])
def test_a_claim_is_a_label_on_every_platform(claim: str, said: str | None) -> None:
    for platform in (AMD64, ARM64):
        labels = dict(design_image(replace(PLAIN, options=(("glibc", claim),)), platform).labels)
        assert labels.get(GLIBC_CLAIM) == said


@pytest.mark.parametrize(
    ("claim", "good"), [("2.31", True), ("", True), ("2", False), ("2.31-1", False), ("2.", False)]
)
def test_what_can_be_claimed(claim: str, good: bool) -> None:
    (rule,) = RULES["gcc"].options
    assert bool(re.search(rule.pattern, claim)) is good


# -- kinds and targets ------------------------------------------------------------------------------------------------


def test_every_target_has_exactly_one_c_library(subtests: pytest.Subtests) -> None:
    for target in (target for target in TARGETS.values() if target.os == "linux"):
        with subtests.test(target.triple):
            accepted = [name for name in ("gcc", "musl") if RULES[name].accepts(target) is None]
            if accepted:
                assert accepted == (["musl"] if target.is_musl else ["gcc"])
            else:
                has_libc = target.debian_release_arch if target.is_musl else target.debian_arch
                assert target.has_older_processor or not has_libc
                assert RULES["zig"].accepts(target) is None


@pytest.mark.parametrize("triple", ["arm-unknown-linux-gnueabihf", "arm-unknown-linux-musleabihf"])
def test_debians_libraries_are_for_a_newer_arm(triple: str) -> None:
    for kind in KINDS:
        reason = RULES[kind].accepts(TARGETS[triple])
        assert (reason is None) == (kind == "zig")
    for kind in ("gcc", "llvm", *(["musl"] if "musl" in triple else [])):
        assert "ARMv6" in (RULES[kind].accepts(TARGETS[triple]) or "")
    assert "a Pentium," in (RULES["gcc"].accepts(TARGETS["i586-unknown-linux-gnu"]) or "")
    assert RULES["gcc"].accepts(TARGETS["arm-unknown-linux-gnueabi"]) is None
    assert RULES["musl"].accepts(TARGETS["arm-unknown-linux-musleabi"]) is None


def test_lld_does_not_link_for_sparc() -> None:
    target = TARGETS["sparc64-unknown-linux-gnu"]
    assert RULES["llvm"].accepts(target) == "lld does not link for it; kind `gcc` is for it"
    assert RULES["gcc"].accepts(target) is None


def test_every_kind_makes_every_target_that_it_accepts(subtests: pytest.Subtests) -> None:
    for kind, target in itertools.product(KINDS, TARGETS.values()):
        if RULES[kind].accepts(target) is not None:
            continue
        options = tuple((rule.name, rule.default) for rule in RULES[kind].options)
        for platform in (AMD64, ARM64):
            with subtests.test(f"{kind} for {target.triple} on {platform}"):
                made = design_image(replace(PLAIN, target=target, kind=kind, options=options), platform)
                assert len(set(layer_names(made))) == len(made.layers)
                assert all(value for name, value in made.env if name != "CROSS_TOOLCHAIN_SUFFIX")


def test_the_emulator_may_come_from_another_suite() -> None:
    recipe = replace(PLAIN, qemu_suite="trixie-backports")
    made = design_image(recipe, AMD64)
    assert [archive.suite for archive in made.opened_archives] == ["trixie-backports"]
    assert [layer.name for layer in made.layers if layer.opened_from] == ["runner-aarch64"]
    assert made.describe() != design_image(PLAIN, AMD64).describe()
    assert not design_image(replace(PLAIN, qemu_suite="trixie"), AMD64).opened_archives, "it is read already"
    assert not design_image(recipe, ARM64).opened_archives, "no emulator, no suite"
