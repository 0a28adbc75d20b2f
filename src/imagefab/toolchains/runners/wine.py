"""Windows programs on Linux: Wine, as any user, without a home, a display or a network.

The first program that runs creates Wine's prefix, in a folder of the user's own under /tmp. A prefix created in the
build would save that second or two, but Wine refuses one that belongs to another user, and its registry contains times,
random ids, the builder's processor and its host name.

Only part of Wine's packages is used, without debug information and without their dependencies for graphics, sound,
cameras and printers: Debian's libwine alone unpacks to 740 MB. Programs in a build or a test need no Direct3D and no
browser. Fonts and FreeType are there, because Wine's user32.dll does not start without them; windows are not drawn.

The runner finds the DLLs that GCC's programs need in the folders of Debian's packages, after those in WINEPATH.

32-bit programs run in the same 64-bit Wine, which needs no 32-bit Linux libraries for them.

There is no such runner on arm64, where Debian's Wine runs arm64 programs only. On amd64 it does not run arm64 programs.
"""

from __future__ import annotations

from imagefab.platforms import AMD64, HostPlatform
from imagefab.recipe.model import FileSpec, Recipe, RunSpec
from imagefab.toolchains.blueprint import ExtractSpec, LayerSpec, TarballSpec
from imagefab.toolchains.runners.runner import NONE, Runner
from imagefab.toolchains.script import read_script

RUNNER = "/wine-runner"

_WINE = "usr/lib/x86_64-linux-gnu/wine"
_DLLS = f"{_WINE}/x86_64-windows"
_DLLS_32 = "usr/lib/i386-linux-gnu/wine/i386-windows"

_LEFT_OUT = (
    # graphics
    *("d2d1", "d3d*", "ddraw*", "dx*", "evr", "gdiplus", "glu32", "opencl", "opengl32", "uiautomationcore", "uiribbon"),
    *("vulkan-1", "wined3d", "winevulkan", "winewayland", "winex11", "windowscodecs*", "light"),
    # audio and video
    *("dmband", "dmcompos", "dmime", "dmloader", "dmscript", "dmstyle", "dmsynth", "dmusic*", "dsdmo", "dsound"),
    *("dswave", "iccvid", "ir50_32", "mf*", "mp3dmod", "msttsengine", "qasf", "qcap", "qdvd", "qedit", "quartz"),
    *("sapi", "winealsa", "winedmo", "winegstreamer", "winepulse", "wma*", "wmp*", "wmv*", "x3daudio*", "xactengine*"),
    *("xapofx*", "xaudio*"),
    # game networking and controllers
    *("dinput*", "dplay*", "dpn*", "dpv*", "xinput*", "winexinput"),
    # browser and text viewers
    *("hhctrl", "ieframe", "jscript", "mshtml", "notepad", "progman", "taskmgr", "vbscript", "winedbg", "winefile"),
    *("winhlp32", "winemine", "wordpad"),
    # databases and installers
    *("esent", "msado15", "msdaps", "msi", "msxml*", "oledb32"),
    # runtimes of old compilers; those of current ones stay
    *("concrt140", "msvcm*", "msvcp60", "msvcp7*", "msvcp80", "msvcp90", "msvcp100", "msvcp110", "msvcp120*"),
    *("msvcr7*", "msvcr80", "msvcr90", "msvcr100", "msvcr110", "msvcr120*", "msvcrtd", "vcomp*"),
)
"""Wine's DLLs and programs that no program needs in a build: some 500 of 700 MB."""

_LEFT_OUT_16 = ("*.*16", "*.vxd")
_LEFT_OUT_64 = ("wow64*.dll",)
"""Support for 16-bit programs, and the bridge to 32-bit ones."""

_KEPT_MODULES = ("bcrypt", "crypt32", "dnsapi", "mountmgr", "msv1_0", "netapi32", "nsiproxy", "ntdll", "secur32",
                 "win32u", "winspool", "ws2_32")  # fmt: skip
"""The Linux halves of DLLs. These need no libraries except libc, libm and libunwind."""


def make_wine(recipe: Recipe, platform: HostPlatform) -> Runner:
    if platform != AMD64:
        return NONE
    triplet, small = recipe.target.gnu_triplet, recipe.target.stem == "i686"
    # Wine has its own versions of Microsoft's DLLs.
    libraries = f"/usr/lib/gcc/{triplet}/*-posix /usr/{triplet}/lib" if triplet else ""
    modules = (f"{_WINE}/x86_64-unix/{name}.so" for name in _KEPT_MODULES)
    keep = (f"{_DLLS}/*", *modules, "usr/share/wine/**", "usr/share/doc/libwine/copyright")
    tarballs = [_take("wine.tar", "libwine", _DLLS, keep, () if small else _LEFT_OUT_64)]
    zlibs = [("x86_64-w64-mingw32", _DLLS)]
    if small:
        tarballs.append(_take("wine32.tar", "libwine:i386", _DLLS_32, (f"{_DLLS_32}/*",), _LEFT_OUT_16))
        zlibs.append(("i686-w64-mingw32", _DLLS_32))
    layer = LayerSpec(
        name="runner-wine32" if small else "runner-wine",
        comment="Wine, without what draws and plays, to run Windows programs",
        architectures=("i386",) if small else (),
        packages=("libfontconfig1", "libfreetype6", "libunwind8"),
        extracts=(
            ExtractSpec(package="wine64", member="/usr/lib/wine/wine64", path="/usr/lib/wine/wine64"),
            ExtractSpec(package="wine64", member="/usr/lib/wine/wineserver64", path="/usr/lib/wine/wineserver"),
            *(
                ExtractSpec(
                    package="libz-mingw-w64",
                    member=f"/usr/{source}/lib/zlib1.dll",
                    path=f"/{folder}/zlib1.dll",
                    mode=0o644,
                )
                for source, folder in zlibs
            ),
        ),
        tarballs=tuple(tarballs),
        files=(FileSpec(path=RUNNER, content=read_script("wine-runner.sh", libraries=libraries).encode(), mode=0o755),),
        run=(RunSpec(name="Wine, made smaller", script=read_script("wine-install.sh")),),
    )
    return Runner(name="wine", command=(RUNNER,), layers=(layer,), choices=("wine",))


def _take(name: str, package: str, folder: str, keep: tuple[str, ...], drop: tuple[str, ...]) -> TarballSpec:
    names = (*(f"{left_out}.*" for left_out in _LEFT_OUT), *drop)
    return TarballSpec(name=name, package=package, keep=keep, drop=tuple(f"{folder}/{name}" for name in names))
