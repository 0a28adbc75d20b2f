"""A small Windows SDK of the tests' own, in the layout of xwin's splat and with nothing of Microsoft's in it.

Its libraries are made in an image of kind msvc that has no SDK: import libraries of DLLs that Wine has, and a small
runtime with as much of C++ as the probes use. So programs that are linked with it run under Wine.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

from tests.e2e.support.cxx import CXX_LIBRARY
from tests.e2e.support.macos_sdk import HEADERS

_MACHINES = {"x86_64": "x64", "aarch64": "arm64", "x86": "x86"}

_STDINT_H = """\
#pragma once
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
typedef __INTPTR_TYPE__ intptr_t;
typedef __UINTPTR_TYPE__ uintptr_t;
"""
_WINDOWS_H = """\
#pragma once
#include <minwindef.h>
#ifdef __cplusplus
extern "C" {
#endif
__declspec(dllimport) HANDLE WINAPI CreateThread(void *, size_t, DWORD (WINAPI *)(void *), void *, DWORD, DWORD *);
__declspec(dllimport) DWORD WINAPI WaitForSingleObject(HANDLE, DWORD);
#ifdef __cplusplus
}
#endif
"""
_MINWINDEF_H = """\
#pragma once
#include <stddef.h>
#define WINAPI __stdcall
typedef void *HANDLE;
typedef unsigned long DWORD;
"""
_START_C = """\
#include <stdlib.h>
#pragma comment(lib, "kernel32")
int main(void);
__declspec(noreturn) void exit(int);
void mainCRTStartup(void) { exit(main()); }
"""
_DLL_C = """\
int __stdcall _DllMainCRTStartup(void *instance, unsigned long reason, void *reserved) { return 1; }
"""
_COOKIE_C = """\
#include <stdint.h>
uintptr_t __security_cookie = 42;
void __security_check_cookie(uintptr_t cookie) { (void)cookie; }
"""
_CXX_CC = (
    CXX_LIBRARY
    + """\
#include <windows.h>

// What each type's description begins with.
extern "C" const void *const description[2] asm("??_7type_info@@6B@") = {};

namespace std {
struct call {
    void (*function)(void *);
    void *argument;
};
static DWORD WINAPI enter(void *given)
{
    call *called = static_cast<call *>(given);
    called->function(called->argument);
    return 0;
}
thread::thread() : state(nullptr) {}
void thread::start(void (*function)(void *), void *argument)
{
    call called = {function, argument};
    state = CreateThread(nullptr, 0, enter, &called, 0, nullptr);
    WaitForSingleObject(state, 0xffffffff);
}
void thread::join() {}
}
"""
)
_DLLS = {
    "msvcrt": ("msvcrt.dll", "calloc exit free memcpy memset printf putchar puts"),
    "vcruntime": ("vcruntime140.dll", "_CxxThrowException __CxxFrameHandler3 __std_terminate _purecall"),
    "kernel32": ("kernel32.dll", "CreateThread ExitProcess WaitForSingleObject"),
    # These no program needs, and CMake links all of them to every program.
    **{
        name: (f"{name}.dll", "unused")
        for name in ("advapi32", "comdlg32", "gdi32", "ole32", "oleaut32", "shell32", "user32", "uuid", "winspool")
    },
}
_BUILD = """\
set -eu
cd work
for definition in *.def; do
    llvm-lib /nologo /machine:$2 /def:$definition /out:${definition%.def}.import.lib
done
include='/I../crt/include /I../sdk/include/ucrt /I../sdk/include/um /I../sdk/include/shared'
for source in start.c dll.c cookie.c cxx.cc; do
    clang-cl /nologo /c /O1 /GS- /EHsc $include $source /Fo${source%.*}.obj
done
mkdir -p ../crt/lib/$1 ../sdk/lib/ucrt/$1 ../sdk/lib/um/$1
for library in msvcrt libcmt; do
    llvm-lib /nologo /out:../crt/lib/$1/$library.lib start.obj dll.obj cookie.obj cxx.obj \\
        msvcrt.import.lib vcruntime.import.lib
done
llvm-lib /nologo /out:../crt/lib/$1/oldnames.lib cookie.obj
llvm-lib /nologo /out:../sdk/lib/ucrt/$1/ucrt.lib msvcrt.import.lib
for library in *.import.lib; do
    cp $library ../sdk/lib/um/$1/${library%.import.lib}.lib
done
"""


def write_sdk_sources(folder: Path) -> None:
    """The headers, in their places, and under `work` what the libraries are made of."""
    cxx = {name.rpartition("/")[2]: text for name, text in HEADERS.items() if name.startswith("c++/")}
    files = {
        **{f"crt/include/{name}": text for name, text in cxx.items()},
        "crt/include/stdint.h": _STDINT_H,
        **{f"sdk/include/ucrt/{name}": HEADERS[name] for name in ("stdio.h", "stdlib.h")},
        "sdk/include/ucrt/errno.h": "#pragma once\nint *_errno(void);\n#define errno (*_errno())\n",
        "sdk/include/um/windows.h": _WINDOWS_H,
        "sdk/include/shared/minwindef.h": _MINWINDEF_H,
        "sdk/include/winrt/roapi.h": "#pragma once\n",
        "sdk/include/cppwinrt/winrt/base.h": "#pragma once\n",
        "work/start.c": _START_C,
        "work/dll.c": _DLL_C,
        "work/cookie.c": _COOKIE_C,
        "work/cxx.cc": _CXX_CC,
        **{
            f"work/{name}.def": f"LIBRARY {dll}\nEXPORTS\n" + "".join(f"{symbol}\n" for symbol in symbols.split())
            for name, (dll, symbols) in _DLLS.items()
        },
        "build.sh": _BUILD,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def list_build_command(arch: str) -> list[str]:
    """What makes the libraries, in an image for that architecture, with the folder mounted."""
    return ["sh", "build.sh", arch, _MACHINES[arch]]


def pack_sdk(folder: Path, path: Path) -> Path:
    """The tarball, as a user would bring it."""
    with tarfile.open(path, "w:gz") as tarball:
        for top in ("crt", "sdk"):
            tarball.add(folder / top, top)
    return path
