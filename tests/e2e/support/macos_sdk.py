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

_FOR_RUST = (
    "_CCRandomGenerateBytes __NSGetArgc __NSGetArgv __NSGetEnviron __NSGetExecutablePath __Unwind_Backtrace "
    "__Unwind_DeleteException __Unwind_GetCFA __Unwind_GetDataRelBase __Unwind_GetIP __Unwind_GetIPInfo "
    "__Unwind_GetLanguageSpecificData __Unwind_GetRegionStart __Unwind_GetTextRelBase __Unwind_RaiseException "
    "__Unwind_SetGR __Unwind_SetIP __dyld_get_image_header __dyld_get_image_name __dyld_get_image_vmaddr_slide "
    "__dyld_image_count __exit __tlv_atexit __tlv_bootstrap _abort _accept _bind _bzero _chdir _chmod _chown "
    "_chroot _clock_gettime _close _closedir _confstr _connect _copyfile_state_alloc _copyfile_state_free "
    "_copyfile_state_get _dirfd _dispatch_release _dispatch_semaphore_create _dispatch_semaphore_signal "
    "_dispatch_semaphore_wait _dispatch_time _dlclose _dlerror _dlopen _dlsym _dup _dup2 _execvp _exit _fchmod "
    "_fchown _fclonefileat _fcntl _fcopyfile _fdopendir _flock _fork _freeaddrinfo _fsetattrlist _fstat _fstatat "
    "_ftruncate _gai_strerror _getaddrinfo _getcwd _getenv _gethostname _getpeereid _getpeername _getpid _getppid "
    "_getpwuid_r _getsockname _getsockopt _getuid _ioctl _kill _lchown _linkat _listen _lseek _lstat "
    "_mach_error_string _mach_timebase_info _mach_wait_until _malloc _memcmp _memcpy _memmove _memset "
    "_memset_pattern16 _mkdir _mkfifo _mmap _mprotect _munmap _nanosleep _open _openat _opendir _pause _pipe "
    "_poll _posix_memalign _posix_spawn_file_actions_adddup2 _posix_spawn_file_actions_destroy "
    "_posix_spawn_file_actions_init _posix_spawnattr_destroy _posix_spawnattr_init _posix_spawnattr_setflags "
    "_posix_spawnattr_setpgroup _posix_spawnattr_setsigdefault _posix_spawnp _pread _pthread_attr_destroy "
    "_pthread_attr_init _pthread_attr_setstacksize _pthread_cond_broadcast _pthread_cond_destroy "
    "_pthread_cond_signal _pthread_cond_timedwait_relative_np _pthread_cond_wait _pthread_create _pthread_detach "
    "_pthread_get_stackaddr_np _pthread_get_stacksize_np _pthread_join _pthread_mutex_destroy _pthread_mutex_init "
    "_pthread_mutex_lock _pthread_mutex_trylock _pthread_mutex_unlock _pthread_mutexattr_destroy "
    "_pthread_mutexattr_init _pthread_mutexattr_settype _pthread_self _pthread_setname_np _pthread_threadid_np "
    "_pwrite _read _readdir_r _readlink _readv _realloc _realpath$DARWIN_EXTSN _recv _recvfrom _rename _rmdir "
    "_sched_yield _send _sendto _setattrlist _setenv _setgid _setgroups _setpgid _setsid _setsockopt _setuid "
    "_shutdown _sigaction _sigaddset _sigaltstack _sigemptyset _signal _socket _socketpair _stat _strerror_r "
    "_strlen _strnlen _symlink _sysconf _sysctlbyname _unlink _unlinkat _unsetenv _waitpid _write _writev"
)
"""What Rust's std needs of the system."""

_LIBRARIES = {
    "usr/lib/libSystem.tbd": (
        "/usr/lib/libSystem.B.dylib",
        "_printf _puts _calloc _free ___error __Unwind_Resume dyld_stub_binder ___stack_chk_fail ___stack_chk_guard "
        + _FOR_RUST,
    ),
    "usr/lib/libc.tbd": ("/usr/lib/libSystem.B.dylib", ""),
    "usr/lib/libm.tbd": ("/usr/lib/libSystem.B.dylib", ""),
    "usr/lib/libiconv.tbd": ("/usr/lib/libiconv.2.dylib", ""),
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
