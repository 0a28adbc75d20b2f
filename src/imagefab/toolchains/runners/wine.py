"""Windows programs on Linux: Wine, as any user, without a home, a display or a network.

What Wine needs in a home, its prefix, is made by the first program that runs, in a folder of the user's own under /tmp.
A prefix that is made in the build would save that second or two, but Wine refuses one that belongs to another user, and
its registry holds times, random ids, the builder's processor and its host name.

Of Wine's packages only a part is taken, without their debug information, and without the packages that they depend on
for graphics, sound, cameras and printers: Debian's libwine alone unpacks to 740 MB. A program that runs in a build or
in a test needs no Direct3D and no browser. Fonts and FreeType are there, as Wine's user32.dll does not start without,
and its windows are drawn nowhere.

The DLLs that GCC links programs to are looked for where Debian's packages have them, unless WINEPATH leads to others.

Programs of 32 bits run in the same Wine of 64 bits, which needs no Linux libraries of 32 bits for them.

On arm64 there is no such runner: Debian's Wine runs there what is made for arm64 alone. And on amd64 it runs nothing
that is made for arm64.
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
    # what draws
    *("d2d1", "d3d*", "ddraw*", "dx*", "evr", "gdiplus", "glu32", "opencl", "opengl32", "uiautomationcore", "uiribbon"),
    *("vulkan-1", "wined3d", "winevulkan", "winewayland", "winex11", "windowscodecs*", "light"),
    # what plays and records
    *("dmband", "dmcompos", "dmime", "dmloader", "dmscript", "dmstyle", "dmsynth", "dmusic*", "dsdmo", "dsound"),
    *("dswave", "iccvid", "ir50_32", "mf*", "mp3dmod", "msttsengine", "qasf", "qcap", "qdvd", "qedit", "quartz"),
    *("sapi", "winealsa", "winedmo", "winegstreamer", "winepulse", "wma*", "wmp*", "wmv*", "x3daudio*", "xactengine*"),
    *("xapofx*", "xaudio*"),
    # games' networks and controllers
    *("dinput*", "dplay*", "dpn*", "dpv*", "xinput*", "winexinput"),
    # a browser, and what shows text
    *("hhctrl", "ieframe", "jscript", "mshtml", "notepad", "progman", "taskmgr", "vbscript", "winedbg", "winefile"),
    *("winhlp32", "winemine", "wordpad"),
    # databases and installers
    *("esent", "msado15", "msdaps", "msi", "msxml*", "oledb32"),
    # old compilers' libraries; those of today's stay
    *("concrt140", "msvcm*", "msvcp60", "msvcp7*", "msvcp80", "msvcp90", "msvcp100", "msvcp110", "msvcp120*"),
    *("msvcr7*", "msvcr80", "msvcr90", "msvcr100", "msvcr110", "msvcr120*", "msvcrtd", "vcomp*"),
)
"""Names of DLLs and programs of Wine's, some 500 of 700 MB, that no program needs to run in a build."""

_LEFT_OUT_16 = ("*.*16", "*.vxd")
_LEFT_OUT_64 = ("wow64*.dll",)
"""For programs of 16 bits, and on the way to those of 32 bits."""

_KEPT_MODULES = ("bcrypt", "crypt32", "dnsapi", "mountmgr", "msv1_0", "netapi32", "nsiproxy", "ntdll", "secur32",
                 "win32u", "winspool", "ws2_32")  # fmt: skip
"""The halves of DLLs that are Linux code. These need no libraries but libc, libm and libunwind."""


def make_wine(recipe: Recipe, platform: HostPlatform) -> Runner:
    if platform != AMD64:
        return NONE
    triplet, small = recipe.target.gnu_triplet, recipe.target.stem == "i686"
    # Microsoft's DLLs are Wine's own.
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
