"""The small programs that probes compile: in the image, for its target."""

from __future__ import annotations

HELLO_C = """\
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    uint16_t *numbers = calloc(4, sizeof *numbers);
    numbers[3] = 42;
    printf("c says %d\\n", (int)numbers[3]);
    free(numbers);
    return 0;
}
"""

HELLO_CXX = """\
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int count(int depth)
{
    if (depth == 0)
        throw std::runtime_error("caught");
    return count(depth - 1) + 1;
}

int main()
{
    std::vector<std::string> said(4);
    std::vector<std::thread> threads;
    for (auto &word : said)
        threads.emplace_back([&word] {
            try {
                count(8);
            } catch (const std::exception &error) {
                word = error.what();
            }
        });
    for (auto &thread : threads)
        thread.join();
    for (const auto &word : said)
        if (word != "caught")
            return 1;
    std::cout << "c++ says " << 40 + 2 << std::endl;
    return 0;
}
"""

LIBRARY_C = """\
int probe_answer(void)
{
    return 42;
}
"""

LIBRARY_USER_C = """\
#include <stdio.h>

int probe_answer(void);

int main(void)
{
    printf("library says %d\\n", probe_answer());
    return 0;
}
"""

LIBRARY_DLL_C = """\
__declspec(dllexport) int probe_answer(void)
{
    return 42;
}
"""

RESOURCE_RC = """\
1 VERSIONINFO
FILEVERSION 4,2,0,0
BEGIN
END
"""

CMAKE_LISTS = """\
cmake_minimum_required(VERSION 3.13)
project(probe LANGUAGES {languages})

if(NOT CMAKE_CROSSCOMPILING)
    message(FATAL_ERROR "the toolchain file does not make this a cross build")
endif()
if({can_run})
    try_run(ran compiled ${{CMAKE_CURRENT_BINARY_DIR}}/try ${{CMAKE_CURRENT_SOURCE_DIR}}/hello.c
        RUN_OUTPUT_VARIABLE said)
    if(NOT compiled OR NOT ran EQUAL 0 OR NOT said MATCHES "c says 42")
        message(FATAL_ERROR "try_run: compiled: ${{compiled}}, exit code: ${{ran}}, it said: ${{said}}")
    endif()
endif()
find_package(Threads)
add_library(part STATIC part.c)
add_executable(probe {main})
target_link_libraries(probe part)
if(TARGET Threads::Threads)
    target_link_libraries(probe Threads::Threads)
endif()
"""

HEADER = """\
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct probe {{
    pthread_t thread;
    size_t size;
    FILE *file;
}};
_Static_assert(sizeof(void *) * 8 == {bits}, "headers of another architecture");
"""

PARSE_C = """\
/* Parses a header as bindgen does: through libclang, with the arguments that it is given. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

struct text {
    const void *data;
    unsigned flags;
};

typedef void *make_index(int, int);
typedef void *parse_unit(void *, const char *, char **, int, void *, unsigned, unsigned);
typedef unsigned count_diagnostics(void *);
typedef void *get_diagnostic(void *, unsigned);
typedef unsigned get_severity(void *);
typedef struct text format_diagnostic(void *, unsigned);
typedef const char *read_text(struct text);

struct cursor {
    int kind, extra;
    const void *data[3];
};

struct type {
    int kind;
    void *data[2];
};

typedef struct cursor get_top(void *);
typedef int visit(struct cursor, struct cursor, void *);
typedef unsigned visit_children(struct cursor, visit *, void *);
typedef struct text get_spelling(struct cursor);
typedef struct type get_type(struct cursor);
typedef long long get_size(struct type);

static void *library;

/* For `char size_of_x[sizeof(x)]` it says `x` and the size. */
static int say_size(struct cursor cursor, struct cursor parent, void *prefix)
{
    get_spelling *spelling = (get_spelling *)dlsym(library, "clang_getCursorSpelling");
    get_type *type = (get_type *)dlsym(library, "clang_getCursorType");
    get_size *size = (get_size *)dlsym(library, "clang_Type_getSizeOf");
    read_text *read = (read_text *)dlsym(library, "clang_getCString");
    const char *name = read(spelling(cursor));
    if (strncmp(name, prefix, strlen(prefix)) == 0)
        printf("%s %lld\\n", name + strlen(prefix), size(type(cursor)));
    return 1;
}

int main(int count, char **words)
{
    library = dlopen(words[1], RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\\n", dlerror());
        return 1;
    }
    make_index *index = (make_index *)dlsym(library, "clang_createIndex");
    parse_unit *parse = (parse_unit *)dlsym(library, "clang_parseTranslationUnit");
    count_diagnostics *diagnostics = (count_diagnostics *)dlsym(library, "clang_getNumDiagnostics");
    get_diagnostic *get = (get_diagnostic *)dlsym(library, "clang_getDiagnostic");
    get_severity *severity = (get_severity *)dlsym(library, "clang_getDiagnosticSeverity");
    format_diagnostic *format = (format_diagnostic *)dlsym(library, "clang_formatDiagnostic");
    read_text *read = (read_text *)dlsym(library, "clang_getCString");

    void *unit = parse(index(0, 0), words[2], words + 3, count - 3, 0, 0, 0);
    if (!unit) {
        fprintf(stderr, "libclang gives no translation unit\\n");
        return 1;
    }
    int errors = 0;
    for (unsigned i = 0; i < diagnostics(unit); i++) {
        void *diagnostic = get(unit, i);
        if (severity(diagnostic) >= 3) {
            fprintf(stderr, "%s\\n", read(format(diagnostic, 1)));
            errors++;
        }
    }
    get_top *top = (get_top *)dlsym(library, "clang_getTranslationUnitCursor");
    visit_children *visit_all = (visit_children *)dlsym(library, "clang_visitChildren");
    visit_all(top(unit), say_size, "size_of_");
    return errors != 0;
}
"""

SIZES_H = """\
/* A row for each type, as text in the object file; and an array of its size, for libclang. */
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>

struct row {
    char mark[8], name[16], digits[3], end;
};
#define DIGITS(n) { '0' + (n) / 100 % 10, '0' + (n) / 10 % 10, '0' + (n) % 10 }
#define ROW(name, type) { "size-of", name, DIGITS(sizeof(type)), '\\n' }

const struct row sizes[] = {
    ROW("time_t", time_t),
    ROW("off_t", off_t),
    ROW("ino_t", ino_t),
    ROW("stat", struct stat),
    ROW("timeval", struct timeval),
};
extern char size_of_time_t[sizeof(time_t)];
extern char size_of_off_t[sizeof(off_t)];
extern char size_of_ino_t[sizeof(ino_t)];
extern char size_of_stat[sizeof(struct stat)];
extern char size_of_timeval[sizeof(struct timeval)];
"""

SIZES_RS = """\
#![no_std]
//! The same rows, as Rust's libc crate has the types.
#[repr(C)]
pub struct Row {
    mark: [u8; 8],
    name: [u8; 16],
    digits: [u8; 3],
    end: u8,
}

const fn row<T>(name: &[u8; 16]) -> Row {
    let size = core::mem::size_of::<T>();
    let digits = [b'0' + (size / 100 % 10) as u8, b'0' + (size / 10 % 10) as u8, b'0' + (size % 10) as u8];
    Row { mark: *b"size-of\\0", name: *name, digits, end: b'\\n' }
}

#[no_mangle]
pub static SIZES: [Row; 5] = [
    row::<libc::time_t>(b"time_t\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0"),
    row::<libc::off_t>(b"off_t\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0"),
    row::<libc::ino_t>(b"ino_t\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0"),
    row::<libc::stat>(b"stat\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0"),
    row::<libc::timeval>(b"timeval\\0\\0\\0\\0\\0\\0\\0\\0\\0"),
];
"""

SIZES_TOML = """\
[package]
name = "sizes"
version = "0.1.0"
edition = "2021"

[workspace]

[dependencies]
libc = { version = "0.2", default-features = false }
"""

CARGO_TOML = """\
[package]
name = "probe"
version = "0.1.0"
edition = "2021"

[workspace]
"""

BUILD_RS = """\
// Compiles a C file with the compiler that the image names for the target, as the cc crate would.
use std::{env, path::Path, process::Command};

fn find(stem: &str, target: &str) -> String {
    let names = [format!("{stem}_{target}"), format!("{stem}_{}", target.replace('-', "_")), format!("TARGET_{stem}")];
    names.iter().find_map(|name| env::var(name).ok()).unwrap_or_else(|| panic!("no {stem} for {target}"))
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().expect(program);
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

fn main() {
    let (target, out) = (env::var("TARGET").unwrap(), env::var("OUT_DIR").unwrap());
    let library = if target.ends_with("-msvc") {
        let (object, library) = (format!("{out}/part.obj"), format!("{out}/part.lib"));
        run(&find("CC", &target), &["/nologo", "/O2", "/MD", "/c", "part.c", &format!("/Fo{object}")]);
        run(&find("AR", &target), &["/nologo", &format!("/out:{library}"), &object]);
        library
    } else {
        let (object, library) = (format!("{out}/part.o"), format!("{out}/libpart.a"));
        run(&find("CC", &target), &["-O2", "-fPIC", "-c", "part.c", "-o", &object]);
        run(&find("AR", &target), &["rcs", &library, &object]);
        library
    };
    assert!(Path::new(&library).exists());
    println!("cargo:rustc-link-search=native={out}");
    println!("cargo:rustc-link-lib=static=part");
}
"""

MAIN_RS = """\
extern "C" {
    fn probe_answer() -> i32;
}

fn main() {
    if cfg!(panic = "unwind") {
        let unwound = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(0)));
        assert!(unwound.is_err());
    }
    let ask = || unsafe { probe_answer() };
    let answer = if cfg!(target_family = "wasm") { ask() } else { std::thread::spawn(ask).join().unwrap() };
    println!("rust says {answer}");
}

#[test]
fn the_answer() {
    assert_eq!(unsafe { probe_answer() }, 42);
}
"""
