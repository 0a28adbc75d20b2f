"""Kind osxcross: clang, ld64.lld and LLVM's tools for Apple's macOS, under the names that osxcross gave them.

Apple's SDK is the user's own file: `sdk` names it, the lock pins its hash, and an image with it says so in a label, so
that it is not published by accident. Without one the image is complete except for the SDK, which its users mount at
/opt/osxcross/SDK; such an image may be shared freely.

Like Apple's own tools, the wrappers read SDKROOT and MACOSX_DEPLOYMENT_TARGET. The defaults are the image's SDK and the
oldest macOS that rustc supports. clang signs ad hoc for arm64, as macOS requires.
"""

from __future__ import annotations

import re

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, OwnFileSpec, Recipe, RunSpec
from imagefab.recipe.rules import KindRules, OptionRule
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.llvm import LIBCLANG_HEADERS, VERSION, clang_layer
from imagefab.toolchains.script import read_script
from imagefab.toolchains.toolchain import Kind, Toolchain

SDK_FOLDER = "/opt/osxcross/SDK"
_SDK = re.compile(r"MacOSX([0-9]+)(?:\.([0-9]+))?(?:\.[0-9]+)?\.sdk")
_NEWEST_DARWIN = 24
_OLDEST = {"aarch64": "11.0", "x86_64": "10.12"}
"""The macOS that rustc builds for by default."""
_APPLE_NAMES = {"aarch64": "arm64", "x86_64": "x86_64"}
_SHORT_NAMES = {"aarch64": "oa64", "x86_64": "o64"}
_TOOLS = {
    "ar": "llvm-ar",
    "ranlib": "llvm-ranlib",
    "nm": "llvm-nm",
    "strip": "llvm-strip",
    "lipo": "llvm-lipo",
    "libtool": "llvm-libtool-darwin",
    "otool": "llvm-otool",
    "install_name_tool": "llvm-install-name-tool",
    "dsymutil": "dsymutil",
    "ld": "ld64.lld",
}
_UNPREFIXED = ("lipo", "libtool", "otool", "install_name_tool", "dsymutil")
"""Tools that only Apple has; the unprefixed ar and the like are the image's own."""


def make_osxcross(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    options = dict(recipe.options)
    version, path = str(options["version"]), str(options["sdk"])
    file = path.rpartition("/")[2]
    name = file.partition(".tar.")[0]
    sdk = f"{SDK_FOLDER}/{name}" if name else SDK_FOLDER
    prefix = f"{target.triple}{_darwin_number(name)}"
    return Toolchain(
        layers=(
            clang_layer(version),
            _wrappers_layer(target, version, sdk=sdk, name=name, prefix=prefix),
            *([_sdk_layer(file, name, path)] if name else []),
        ),
        linker=f"{prefix}-clang",
        cc=f"{prefix}-clang",
        cxx=f"{prefix}-clang++",
        ar=f"{prefix}-ar",
        prefix=f"{prefix}-",
        sysroot=sdk,
        pkg_config="/usr/local/lib/pkgconfig",
        bindgen=(LIBCLANG_HEADERS, f"--sysroot={sdk}", f"--target={_APPLE_NAMES[target.stem]}-apple-darwin"),
        cmake=(
            ("CMAKE_OSX_SYSROOT", sdk),
            ("CMAKE_OSX_ARCHITECTURES", _APPLE_NAMES[target.stem]),
            ("CMAKE_INSTALL_NAME_TOOL", f"/usr/local/bin/{prefix}-install_name_tool"),
            ("CMAKE_OTOOL", f"/usr/local/bin/{prefix}-otool"),
            ("CMAKE_AR", f"/usr/local/bin/{prefix}-ar"),
            ("CMAKE_RANLIB", f"/usr/local/bin/{prefix}-ranlib"),
        ),
        env=(("SDKROOT", sdk),),
    )


def _wrappers_layer(target: Target, version: str, *, sdk: str, name: str, prefix: str) -> LayerSpec:
    apple, short = _APPLE_NAMES[target.stem], _SHORT_NAMES[target.stem]
    found = _SDK.fullmatch(name)
    number = f"{found[1]}.{found[2] or 0}" if found else ""
    compilers = {
        f"{front}-{tool}": read_script(
            "osxcross-clang.sh",
            tool=tool,
            triple=target.triple,
            sdk=sdk,
            oldest=_OLDEST[target.stem],
            version=version,
            apple=apple,
        )
        for front in (prefix, target.triple, short)
        for tool in ("clang", "clang++")
    }
    config = read_script("osxcross-clang.cfg", triple=target.triple, apple=apple)
    xcrun = read_script("xcrun.sh", sdk=sdk, number=number, tools=" | ".join(_TOOLS), prefix=prefix)
    links = [(f"{front}-{tool}", program) for front in (prefix, target.triple) for tool, program in _TOOLS.items()]
    links += [(tool, _TOOLS[tool]) for tool in _UNPREFIXED]
    script = [f"ln -s /usr/lib/llvm-{version}/bin/{program} /usr/local/bin/{link}" for link, program in links]
    script += [f"ln -s {apple}.cfg /opt/osxcross/{target.triple}.cfg"]
    return LayerSpec(
        name=f"osxcross-{target.stem}",
        comment=f"clang, ld64.lld and the binary tools under osxcross's names for {target.triple}",
        folders=(SDK_FOLDER,),
        files=(
            FileSpec(path=f"/opt/osxcross/{apple}.cfg", content=config.encode()),
            *(FileSpec(path=f"/usr/local/bin/{n}", content=t.encode(), mode=0o755) for n, t in compilers.items()),
            FileSpec(path="/usr/local/bin/xcrun", content=xcrun.encode(), mode=0o755),
        ),
        run=(RunSpec(name="binary tools", script="\n".join(script) + "\n"),),
    )


def _sdk_layer(file: str, name: str, path: str) -> LayerSpec:
    return LayerSpec(
        name="osxcross-sdk",
        comment="Apple's SDK, which the user brought",
        packages=("xz-utils", "bzip2"),
        sources=(OwnFileSpec(name=file, path=path, tops=(name,)),),
        run=(
            RunSpec(
                name="unpack the SDK",
                script=read_script("osxcross-unpack.sh", folder=SDK_FOLDER, file=file, name=name),
                sources=(file,),
            ),
        ),
    )


def _darwin_number(name: str) -> int:
    """Return the kernel version of the SDK's macOS, which osxcross puts into program names."""
    found = _SDK.fullmatch(name)
    if found is None:
        return _NEWEST_DARWIN
    major, minor = int(found[1]), int(found[2] or 0)
    if major == 10:
        return minor + 4
    return major - 1 if major > 25 else major + 9


def _accepts(target: Target) -> str | None:
    return None if target.os == "darwin" else "it is not macOS"


KIND = Kind(
    rules=KindRules(
        name="osxcross",
        summary="clang and ld64.lld for macOS, with the SDK that you bring",
        accepts=_accepts,
        options=(
            VERSION,
            OptionRule(
                name="sdk", type=str, default="", is_file=True,
                description="your MacOSX<version>.sdk.tar.xz (or .gz, .bz2); without it the image expects it mounted",
                pattern=r"^(.*/)?MacOSX[0-9]+(\.[0-9]+){0,2}\.sdk\.tar\.(xz|gz|bz2)$",
            ),
        ),
    ),
    make=make_osxcross,
)  # fmt: skip
