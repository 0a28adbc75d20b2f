"""Kind msvc: clang-cl, lld-link and LLVM's tools for Windows, with Microsoft's C runtime and SDK.

The user provides these, in the layout that `xwin splat` creates: crt/include, crt/lib/<arch>,
sdk/include/{ucrt,um,shared,winrt}, sdk/lib/{ucrt,um}/<arch>, and links for names in other capitals. `sdk` names a
tarball with `crt` and `sdk` at its top, or it is pinned by URL and sha256. Microsoft's licence forbids redistributing
it. Without one the image is complete except for the SDK, and its users mount a folder made by xwin at /opt/msvc/SDK;
such an image may be shared freely.

Like Microsoft's own tools, the wrappers read INCLUDE and LIB, separated by semicolons, and search the SDK after them.
The image itself sets neither, because makefiles have variables of these names.

rustc links the release runtime (msvcrt.lib or libcmt.lib) in debug builds as well, and xwin leaves out the debug
runtime by default. So CMake uses the release runtime throughout: through its variable for that and, for projects that
ask for a CMake older than that variable, by changing the initial flags.

Debian packages clang-cl with tools that no build needs, so a wrapper runs clang in its cl mode.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe, RunSpec
from imagefab.recipe.rules import KindRules
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.llvm import LIBCLANG_HEADERS, VERSION, clang_layer
from imagefab.toolchains.script import read_script
from imagefab.toolchains.toolchain import Kind, Toolchain
from imagefab.toolchains.vendor import VendorArchive, declare_archive, find_archive

_HOME = "/opt/msvc"
SDK_FOLDER = f"{_HOME}/SDK"
_BUILT_IN = f"{_HOME}/splat"
_FILE = r"[A-Za-z0-9_][A-Za-z0-9._+~-]{0,79}\.tar\.(xz|gz|bz2)"
_TOPS = ("crt", "sdk")
_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "aarch64", "i686": "x86"}
"""The architectures' names in xwin."""
_INCLUDE = ("crt/include", *(f"sdk/include/{part}" for part in ("ucrt", "um", "shared", "winrt", "cppwinrt")))
_LIB = ("crt/lib", "sdk/lib/ucrt", "sdk/lib/um")
_TOOLS = ("ar", "dlltool", "lib", "ml", "mt", "nm", "objcopy", "objdump", "ranlib", "readobj", "strip")

_RULES_FILE = f"{_HOME}/release-runtime.cmake"


def make_msvc(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    version = str(dict(recipe.options)["version"])
    sdk = find_archive(recipe, "sdk", tops=lambda file: _TOPS)
    folder = _BUILT_IN if sdk else SDK_FOLDER
    return Toolchain(
        layers=(
            clang_layer(version),
            _wrappers_layer(target, version, folder),
            *([_sdk_layer(target, sdk, folder)] if sdk else []),
        ),
        linker="lld-link",
        cc="clang-cl",
        cxx="clang-cl",
        ar="llvm-lib",
        prefix="llvm-",
        sysroot=folder,
        pkg_config=f"/usr/{target.triple}/lib/pkgconfig",
        # After clang's own headers, because some of Microsoft's have the same names.
        bindgen=(LIBCLANG_HEADERS, *(f"-idirafter{folder}/{part}" for part in _INCLUDE)),
        cmake_root=f"/usr/{target.triple}",
        cmake=(
            ("CMAKE_LINKER", "/usr/local/bin/lld-link"),
            ("CMAKE_AR", "/usr/local/bin/llvm-lib"),
            ("CMAKE_RC_COMPILER", "/usr/local/bin/llvm-rc"),
            ("CMAKE_MT", "/usr/local/bin/llvm-mt"),
            ("CMAKE_MSVC_RUNTIME_LIBRARY", "MultiThreadedDLL"),
            ("CMAKE_USER_MAKE_RULES_OVERRIDE", _RULES_FILE),
            ("CMAKE_TRY_COMPILE_CONFIGURATION", "Release"),
        ),
        private=(sdk.file,) if sdk else (),
        has_own_libc=True,
    )


def _wrappers_layer(target: Target, version: str, folder: str) -> LayerSpec:
    arch = _ARCHITECTURES[target.stem]
    programs = {
        "clang-cl": f"clang --driver-mode=cl --config={_HOME}/clang-cl.cfg",
        "lld-link": "lld-link",
        "llvm-rc": "llvm-rc",
    }
    wrappers = (
        FileSpec(
            path=f"/usr/local/bin/{tool}",
            content=read_script(
                "msvc-tool.sh",
                tool=tool,
                triple=target.triple,
                version=version,
                program=program,
                include=";".join(f"{folder}/{part}" for part in _INCLUDE),
                lib=";".join(f"{folder}/{part}/{arch}" for part in _LIB),
            ).encode(),
            mode=0o755,
        )
        for tool, program in programs.items()
    )
    return LayerSpec(
        name=f"msvc-{target.stem}",
        comment=f"clang-cl, lld-link and LLVM's tools for {target.triple}",
        folders=tuple(f"{folder}/{part}" for part in (*_INCLUDE, *(f"{part}/{arch}" for part in _LIB))),
        files=(
            FileSpec(
                path=f"{_HOME}/clang-cl.cfg", content=read_script("msvc-clang.cfg", triple=target.triple).encode()
            ),
            FileSpec(path=_RULES_FILE, content=read_script("msvc-rules.cmake").encode()),
            *wrappers,
        ),
        run=(
            RunSpec(name="binary tools", script=read_script("msvc-link.sh", version=version, tools=" ".join(_TOOLS))),
        ),
    )


def _sdk_layer(target: Target, sdk: VendorArchive, folder: str) -> LayerSpec:
    arch = _ARCHITECTURES[target.stem]
    needed = ("crt/include", "sdk/include/ucrt", "sdk/include/um", *(f"{part}/{arch}" for part in _LIB))
    script = read_script(
        "msvc-unpack.sh", file=sdk.file, folder=folder, arch=arch, needed=" ".join(needed), optional=" ".join(_INCLUDE)
    )
    return LayerSpec(
        name="msvc-sdk",
        comment="Microsoft's C runtime and SDK, which the user brought",
        packages=("xz-utils", "bzip2"),
        sources=(sdk.source,),
        run=(RunSpec(name="unpack the SDK", script=script, sources=(sdk.file,)),),
    )


def _accepts(target: Target) -> str | None:
    if target.os != "windows":
        return "it is not Windows"
    return None if target.is_msvc else "it is not Windows by Microsoft's conventions"


KIND = Kind(
    rules=KindRules(
        name="msvc",
        summary="clang-cl and lld-link for Windows, with Microsoft's SDK that you bring",
        accepts=_accepts,
        options=(
            VERSION,
            *declare_archive(
                "sdk", file=_FILE, description="your tarball (.tar.xz, .gz, .bz2) of what `xwin splat` makes"
            ),
        ),
        exclusive=("sdk", "sdk-url"),
        together=("sdk-url", "sdk-sha256"),
    ),
    make=make_msvc,
)
