"""A small NDK of the tests' own, in the layout of Google's and with nothing of Google's in it.

Its libraries are made in an image of kind android that has no NDK. They are there to be linked, not to be run.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.e2e.support.cxx import CXX_LIBRARY
from tests.e2e.support.macos_sdk import HEADERS

NAME = "android-ndk-r27c"
PREBUILT = "toolchains/llvm/prebuilt/linux-x86_64"
_CRT = "crtbegin_dynamic crtbegin_so crtbegin_static crtend_android crtend_so"
_LIBC = "calloc free printf puts putchar memset memcpy exit abort strlen"
_ABI = (
    "__cxa_allocate_exception __cxa_free_exception __cxa_throw __cxa_begin_catch __cxa_end_catch __cxa_rethrow "
    "__cxa_end_cleanup __cxa_throw_bad_array_new_length __gxx_personality_v0 _ZSt9terminatev "
    "_ZTVN10__cxxabiv117__class_type_infoE _ZTVN10__cxxabiv120__si_class_type_infoE"
)
_UNWINDER = "_Unwind_Resume __aeabi_unwind_cpp_pr0 __aeabi_unwind_cpp_pr1"

_THREAD_CC = """\
namespace std {
thread::thread() : state(nullptr) {}
void thread::start(void (*function)(void *), void *argument) { function(argument); }
void thread::join() {}
}
"""
_BUILD = """\
set -eu
cc="$1 -nostdlib -ffreestanding -w -fPIC"
usr=$PWD/{prebuilt}/sysroot/usr
lib=$usr/lib/$2
runtimes=$PWD/{prebuilt}/lib/clang/18/lib/linux
mkdir -p "$runtimes/$3"
cd work
for source in *.c; do $cc -c "$source" -o "${{source%.c}}.o"; done
$cc -c cxx.cc -o cxx.o -nostdinc++ -isystem "$usr/include/c++/v1" -isystem "$usr/include" -fexceptions
for level in 21 24; do
    mkdir -p "$lib/$level"
    for name in {crt}; do cp $name.o "$lib/$level"; done
    for name in libc libm libdl; do $cc -shared $name.o -o "$lib/$level/$name.so" -Wl,-soname,$name.so; done
    echo 'INPUT(-lc++_shared)' >"$lib/$level/libc++.so"
done
llvm-ar rcs "$runtimes/libclang_rt.builtins-$4-android.a" libm.o
llvm-ar rcs "$runtimes/$3/libunwind.a" unwinder.o
$cc -shared cxx.o abi.o unwinder.o "$lib/21/libc.so" -o "$lib/libc++_shared.so" -Wl,-soname,libc++_shared.so
"""


def write_ndk_sources(folder: Path) -> None:
    """The headers, in their places, and under `work` what the libraries are made of."""
    include = f"{PREBUILT}/sysroot/usr/include"
    files = {
        **{f"{include}/{name}": text for name, text in HEADERS.items()},
        f"{include}/riscv64-linux-android/asm/types.h": "#error of another architecture\n",
        f"{include}/aarch64-linux-android/asm/types.h": "#pragma once\n",
        "source.properties": "Pkg.Desc = Android NDK\nPkg.Revision = 27.2.12479018\n",
        "NOTICE": "a stand-in\n",
        f"{PREBUILT}/bin/clang": "not to be unpacked\n",
        f"{PREBUILT}/sysroot/usr/lib/riscv64-linux-android/35/libc.so": "not to be unpacked\n",
        **{f"work/{name}.c": "void _start(void) {}\n" if "begin" in name else "" for name in _CRT.split()},
        **{
            f"work/{name}.c": "".join(f"void {symbol}(void) {{}}\n" for symbol in symbols.split())
            for name, symbols in {
                "libc": _LIBC, "libm": "floor", "libdl": "dlopen", "abi": _ABI, "unwinder": _UNWINDER,
            }.items()
        },
        "work/cxx.cc": CXX_LIBRARY + _THREAD_CC,
        "build.sh": _BUILD.format(prebuilt=PREBUILT, crt=_CRT),
    }  # fmt: skip
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def pack_ndk(folder: Path, path: Path, top: str = NAME) -> Path:
    """The zip file, as a user would bring it."""
    with zipfile.ZipFile(path, "w") as file:
        for each in sorted(folder.rglob("*")):
            relative = each.relative_to(folder)
            if relative.parts[0] not in ("work", "build.sh"):
                file.write(each, f"{top}/{relative}")
    return path
