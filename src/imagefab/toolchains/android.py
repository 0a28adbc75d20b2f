"""Kind android: Debian's clang and lld with the C library, libc++ and runtimes of Google's NDK.

An image takes only Android's own parts from the NDK: headers and libraries for the target's architecture, at all API
levels, and clang's runtimes. The compiler is Debian's, for three reasons. The NDK's programs are amd64 only, so there
would be no images for arm64. Every image would carry its own copy, whereas images of other kinds share one layer with
the compiler. And bindgen's libclang, which is Debian's, matches the compiler. The price is Google's patches to clang. A
libc++ much newer than the compiler rejects it; `version` selects a newer one if the base has it. Program names are the
NDK's: aarch64-linux-android21-clang, with the API level from `api`.

Google's licence forbids redistributing the NDK, so it is the user's own file (`ndk`), or pinned by URL and sha256.
Without one the image is complete except for the NDK, and its users mount two folders of an NDK's
toolchains/llvm/prebuilt/linux-x86_64:

    sysroot                  at /opt/android/NDK/sysroot
    lib/clang/<n>/lib/linux  at /opt/android/NDK/clang/lib/linux

clang finds its runtimes in its resource folder, next to headers that belong to the compiler. So the image's resource
folder combines Debian's headers with the NDK's runtimes. NDKs before r23 have GCC's runtime instead, and are not
supported.

CMake has its own support for Android, which needs a whole NDK. Setting the system version to 1 turns it off.

Android programs need Android's dynamic linker, which no NDK contains, so there is no runner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe, RunSpec
from imagefab.recipe.rules import KindRules, OptionFault, OptionRule, Value
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.llvm import LIBCLANG_HEADERS, VERSION, clang_layer
from imagefab.toolchains.script import read_script
from imagefab.toolchains.toolchain import Kind, Toolchain
from imagefab.toolchains.vendor import VendorArchive, declare_archive, find_archive

_HOME = "/opt/android"
NDK_FOLDER = f"{_HOME}/NDK"
_FILE = r"android-ndk-r(2[3-9]|[3-9][0-9])[a-z]?(-beta[0-9]+)?-linux\.zip"

_FOLDERS = dict.fromkeys(("armv7", "thumbv7neon"), "arm-linux-androideabi")
"""The NDK's folder names for architectures, where they differ from the triple."""
_CLANG = dict.fromkeys(("armv7", "thumbv7neon"), "armv7a-linux-androideabi")
"""The same for the names of its compilers."""
_RUNTIMES = {"armv7": ("arm", "arm"), "thumbv7neon": ("arm", "arm"), "i686": ("i386", "i686")}
"""clang's runtime folder and the architecture in its file names, where they differ from the triple's first part."""
_ABIS = {
    "aarch64": "arm64-v8a", "armv7": "armeabi-v7a", "thumbv7neon": "armeabi-v7a", "i686": "x86", "x86_64": "x86_64",
    "riscv64": "riscv64",
}  # fmt: skip
_OLDEST = {"riscv64": 35}
"""The first API level of an architecture, where it is younger than the oldest that the NDK has."""
_TOOLS = ("ar", "nm", "objcopy", "objdump", "ranlib", "readelf", "strings", "strip")


def make_android(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    options = dict(recipe.options)
    version, api = str(options["version"]), int(options["api"])
    ndk = find_archive(recipe, "ndk", tops=lambda file: (_name_top(file),))
    folder = f"{_HOME}/{_name_top(ndk.file)}" if ndk else NDK_FOLDER
    gnu, clang = _name_folder(target), _name_clang(target)
    prefix, compiler = f"{gnu}-", f"{clang}{api}-clang"
    suffixed = (("RANLIB", "ranlib"), ("NM", "nm"), ("STRIP", "strip"), ("OBJCOPY", "objcopy"))
    return Toolchain(
        layers=(
            clang_layer(version),
            _wrappers_layer(target, version, api, folder),
            *([_ndk_layer(target, api, ndk, folder)] if ndk else []),
        ),
        linker=compiler,
        cc=compiler,
        cxx=f"{compiler}++",
        ar=f"{prefix}ar",
        prefix=prefix,
        sysroot=f"{folder}/sysroot",
        pkg_config=f"/usr/{gnu}/lib/pkgconfig",
        bindgen=(LIBCLANG_HEADERS, f"--sysroot={folder}/sysroot", f"--target={clang}{api}"),
        cmake_root=f"{folder}/sysroot /usr/{gnu}",
        cmake=(
            ("CMAKE_SYSTEM_VERSION", "1"),
            ("CMAKE_AR", f"/usr/local/bin/{prefix}ar"),
            ("CMAKE_RANLIB", f"/usr/local/bin/{prefix}ranlib"),
            ("CMAKE_ANDROID_ARCH_ABI", _ABIS[target.stem]),
            ("ANDROID_ABI", _ABIS[target.stem]),
            ("ANDROID_PLATFORM", f"android-{api}"),
            ("ANDROID_PLATFORM_LEVEL", str(api)),
        ),
        env=tuple((f"{stem}_{target.underscored}", f"{prefix}{tool}") for stem, tool in suffixed),
        private=(ndk.file,) if ndk else (),
        has_own_libc=True,
    )


def _wrappers_layer(target: Target, version: str, api: int, folder: str) -> LayerSpec:
    gnu, clang = _name_folder(target), _name_clang(target)
    config = read_script("android-clang.cfg", triple=target.triple, clang=clang, api=api, folder=folder)
    fronts = dict.fromkeys((f"{clang}{api}", clang, gnu))
    return LayerSpec(
        name=f"android-{target.stem}",
        comment=f"clang, lld and the binary tools under the NDK's names for {target.triple}",
        folders=(f"{folder}/sysroot", f"{folder}/clang/lib/linux"),
        files=(
            FileSpec(path=f"{_HOME}/clang.cfg", content=config.encode()),
            *(
                FileSpec(
                    path=f"/usr/local/bin/{front}-{tool}",
                    content=read_script("android-clang.sh", version=version, tool=tool, home=_HOME).encode(),
                    mode=0o755,
                )
                for front in fronts
                for tool in ("clang", "clang++")
            ),
        ),
        run=(
            RunSpec(
                name="binary tools",
                script=read_script("android-link.sh", version=version, folder=folder, gnu=gnu, tools=" ".join(_TOOLS)),
            ),
        ),
    )


def _ndk_layer(target: Target, api: int, ndk: VendorArchive, folder: str) -> LayerSpec:
    runtimes, name = _RUNTIMES.get(target.stem, (target.stem, target.stem))
    script = read_script(
        "android-unpack.sh",
        file=ndk.file,
        gnu=_name_folder(target),
        api=api,
        folder=folder,
        runtimes=runtimes,
        name=name,
    )
    return LayerSpec(
        name="android-ndk",
        comment="Google's NDK: what is Android's own, for this architecture",
        packages=("unzip",),
        sources=(ndk.source,),
        run=(RunSpec(name="unpack the NDK", script=script, sources=(ndk.file,)),),
    )


def _name_top(file: str) -> str:
    """Return the top folder of an NDK's archive."""
    return file.partition("-linux")[0]


def _name_folder(target: Target) -> str:
    return _FOLDERS.get(target.stem, target.triple)


def _name_clang(target: Target) -> str:
    return _CLANG.get(target.stem, target.triple)


def _list_defaults(target: Target) -> dict[str, Value]:
    return {"api": _OLDEST[target.stem]} if target.stem in _OLDEST else {}


def _find_faults(target: Target, chosen: Mapping[str, Value]) -> Iterator[OptionFault]:
    oldest = _OLDEST.get(target.stem, 0)
    if int(chosen.get("api", oldest)) < oldest:
        problem = f"Android has no API level {chosen['api']} for `{target.triple}`"
        yield OptionFault(option="api", problem=problem, hint=f"its first is {oldest}")


def _accepts(target: Target) -> str | None:
    return None if target.os == "android" else "it is not Android"


KIND = Kind(
    rules=KindRules(
        name="android",
        summary="clang and lld for Android, with the NDK that you bring",
        accepts=_accepts,
        options=(
            VERSION,
            OptionRule(
                name="api", type=int, default=21, minimum=21,
                description="the API level: the oldest Android that programs run on, 21 being Android 5",
            ),
            *declare_archive("ndk", file=_FILE, description="your android-ndk-r<version>-linux.zip, r23 or later"),
        ),
        exclusive=("ndk", "ndk-url"),
        together=("ndk-url", "ndk-sha256"),
        defaults=_list_defaults,
        find_faults=_find_faults,
    ),
    make=make_android,
)  # fmt: skip
