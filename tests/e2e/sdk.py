"""A small macOS SDK of the tests' own: a few headers, and stubs of the libraries with the symbols that probes need.

It has the shape of Apple's (folders, text stubs, frameworks) and nothing of Apple's in it.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

NAME = "MacOSX15.0.sdk"

HEADERS = {
    "stdint.h": """\
#pragma once
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
typedef long intptr_t;
typedef unsigned long uintptr_t;
""",
    "stdio.h": """\
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct file FILE;
int printf(const char *, ...);
int puts(const char *);
#ifdef __cplusplus
}
#endif
""",
    "stdlib.h": """\
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
void *calloc(size_t, size_t);
void free(void *);
#ifdef __cplusplus
}
#endif
""",
    "errno.h": "#pragma once\nextern int *__error(void);\n#define errno (*__error())\n",
    "pthread.h": "#pragma once\ntypedef struct thread *pthread_t;\n",
    "c++/v1/string": """\
#pragma once
namespace std {
class string {
    const char *text;
public:
    string();
    string(const char *);
    string(const string &);
    ~string();
    string &operator=(const char *);
    bool operator!=(const char *) const;
};
}
""",
    "c++/v1/stdexcept": """\
#pragma once
namespace std {
class exception {
public:
    virtual ~exception();
    virtual const char *what() const noexcept;
};
class runtime_error : public exception {
    const char *text;
public:
    explicit runtime_error(const char *);
    ~runtime_error() override;
    const char *what() const noexcept override;
};
}
""",
    "c++/v1/vector": """\
#pragma once
namespace std {
template <class T> class vector {
    T *first, *last;
public:
    explicit vector(int count = 0) : first(new T[count]), last(first + count) {}
    ~vector() { delete[] first; }
    T *begin() const { return first; }
    T *end() const { return last; }
    template <class F> void emplace_back(F call) { *last++ = T(call); }
};
}
""",
    "c++/v1/thread": """\
#pragma once
namespace std {
class thread {
    void *state;
public:
    thread();
    template <class F> explicit thread(F call) { start([](void *f) { (*static_cast<F *>(f))(); }, &call); }
    void start(void (*)(void *), void *);
    void join();
};
}
""",
    "c++/v1/iostream": """\
#pragma once
namespace std {
class ostream {
public:
    ostream &operator<<(const char *);
    ostream &operator<<(int);
    ostream &operator<<(ostream &(*)(ostream &));
};
ostream &endl(ostream &);
extern ostream cout;
}
""",
}

_FRAMEWORK_HEADER = "#pragma once\ndouble CFAbsoluteTimeGetCurrent(void);\n"

_LIBRARIES = {
    "usr/lib/libSystem.tbd": (
        "/usr/lib/libSystem.B.dylib",
        "_printf _puts _calloc _free ___error __Unwind_Resume dyld_stub_binder ___stack_chk_fail ___stack_chk_guard",
    ),
    "usr/lib/libc++.tbd": (
        "/usr/lib/libc++.1.dylib",
        "___cxa_allocate_exception ___cxa_free_exception ___cxa_throw ___cxa_begin_catch ___cxa_end_catch "
        "___cxa_rethrow ___cxa_throw_bad_array_new_length ___gxx_personality_v0 ___clang_call_terminate "
        "__ZSt9terminatev __Znam __ZdaPv __Znwm __ZdlPv __ZdaPvm __ZdlPvm "
        "__ZNSt6stringC1Ev __ZNSt6stringC1EPKc __ZNSt6stringC1ERKS_ __ZNSt6stringD1Ev __ZNSt6stringaSEPKc "
        "__ZNKSt6stringneEPKc __ZNSt9exceptionD2Ev __ZNSt13runtime_errorC1EPKc __ZNSt13runtime_errorD1Ev "
        "__ZTISt13runtime_error __ZTISt9exception __ZNSt6threadC1Ev __ZNSt6thread5startEPFvPvES0_ "
        "__ZNSt6thread4joinEv __ZNSt7ostreamlsEPKc __ZNSt7ostreamlsEi __ZNSt7ostreamlsEPFRS_S0_E "
        "__ZSt4endlRSt7ostream __ZSt4cout",
    ),
    "System/Library/Frameworks/CoreFoundation.framework/CoreFoundation.tbd": (
        "/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation",
        "_CFAbsoluteTimeGetCurrent",
    ),
}

_STUB = """\
--- !tapi-tbd
tbd-version:     4
targets:         [ x86_64-macos, arm64-macos ]
install-name:    '{install_name}'
exports:
  - targets:     [ x86_64-macos, arm64-macos ]
    symbols:     [ {symbols} ]
...
"""


def make_sdk(folder: Path, *, file_name: str = f"{NAME}.tar.xz", top: str = NAME) -> Path:
    """The tarball, as a user would bring it."""
    path = folder / file_name
    mode = {"xz": "w:xz", "gz": "w:gz", "bz2": "w:bz2"}[file_name.rpartition(".")[2]]
    with tarfile.open(path, mode) as tarball:  # type: ignore[call-overload]
        for name, content in _list_files():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content)
            tarball.addfile(member, io.BytesIO(content))
    return path


def _list_files() -> list[tuple[str, bytes]]:
    framework = "System/Library/Frameworks/CoreFoundation.framework/Headers/CoreFoundation.h"
    stubs = [
        (path, _STUB.format(install_name=name, symbols=", ".join(symbols.split())).encode())
        for path, (name, symbols) in _LIBRARIES.items()
    ]
    headers = [(f"usr/include/{name}", text.encode()) for name, text in HEADERS.items()]
    return [
        ("SDKSettings.json", b'{"Version": "15.0", "MaximumDeploymentTarget": "15.0.99"}\n'),
        (framework, _FRAMEWORK_HEADER.encode()),
        *headers,
        *stubs,
    ]
