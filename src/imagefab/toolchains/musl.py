"""Kind musl: Debian's musl for the target's architecture, over the GCC cross compiler, with C++.

Debian's own wrapper links C only. Ours has the same idea, a specs file that puts musl in the place of the GNU C
library, and differs where C++ needs it:

- libstdc++ is GCC's own, built from the archive's source against musl. Position-independent, for static-pie and shared
  objects; static only, because a binary that needs a libstdc++.so of musl's runs nowhere.
- libgcc_eh.a is made for the GNU C library. It finds unwind tables through `_dl_find_object`, and libgcc.a reads the
  processor's features through `__getauxval`, which musl keeps to itself; a small library has both, over what musl has.
- The linker writes the table of unwind tables (--eh-frame-hdr) in static programs too: a throw aborts without it.
- C headers come after all others (-idirafter), as C++ headers must find them with #include_next.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe, RunSpec
from imagefab.recipe.rules import KindRules
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec, TarballSpec
from imagefab.toolchains.gcc import cross_gcc_layer, explain_libraries
from imagefab.toolchains.runners.linux import is_native
from imagefab.toolchains.suite import find_suite
from imagefab.toolchains.toolchain import Kind, Toolchain

_LOADERS = {"amd64": "x86_64", "arm64": "aarch64", "ppc64el": "powerpc64le", "armel": "arm"}
"""How musl calls an architecture in its dynamic linker's name, where it differs from Debian's name."""

_FLAGS = {"ppc64el": " -mlong-double-64 -U__BUILTIN_CPU_SUPPORTS__"}
"""What musl has another idea of than the compiler, by Debian's architecture: how long a long double is, and where the
C library keeps what the processor can do."""

_SPECS = """\
%rename cpp_options old_cpp_options

*cpp_options:
-nostdinc -idirafter /usr/include/{musl} -idirafter include%s %(old_cpp_options)

*cc1:
%(cc1_cpu) -nostdinc -idirafter /usr/include/{musl} -idirafter include%s

*cc1plus:
-nostdinc++ -isystem /usr/include/{musl}/c++ -isystem /usr/include/{musl}/c++/{musl} -isystem /usr/include/{musl}/c++/backward

*link_libgcc:
-L/usr/lib/{musl} -L .%s

*libgcc:
libgcc.a%s libgcc_eh.a%s /usr/lib/{musl}/libgcc_musl.a

*startfile:
%{{shared:;static-pie:/usr/lib/{musl}/rcrt1.o; :/usr/lib/{musl}/Scrt1.o}} /usr/lib/{musl}/crti.o crtbeginS.o%s

*endfile:
crtendS.o%s /usr/lib/{musl}/crtn.o

*link:
-dynamic-linker /lib/ld-musl-{loader}.so.1 -nostdlib --eh-frame-hdr %{{shared:-shared}} %{{static:-static}} \
%{{static-pie:-static -pie --no-dynamic-linker}} %{{rdynamic:-export-dynamic}}

*esp_link:


*esp_options:


*esp_cpp_options:


"""  # noqa: E501 - a specs file has no continuation lines

_WRAPPER = """\
#!/bin/sh
exec {gnu}-{tool} -specs /usr/lib/{musl}/imagefab.specs{flags} "$@"
"""

_LIBRARY = """\
/* What Debian's libgcc expects of the C library and musl does not export. Written for imagefab. */
#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>

/* The layout is part of libgcc's interface. */
struct object {
    unsigned long long flags;
    void *start, *end;
    struct link_map *map;
    void *unwind_table;
#ifdef __i386__
    void *data_base;
    unsigned padding;
#endif
    unsigned long long reserved[7];
};

struct search {
    uintptr_t address;
    struct object *found;
};

static int look_into(struct dl_phdr_info *info, size_t size, void *data)
{
    struct search *search = data;
    const ElfW(Phdr) *segment = 0, *table = 0;

    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && search->address - start < header->p_memsz)
            segment = header;
        else if (header->p_type == PT_GNU_EH_FRAME)
            table = header;
    }
    if (!segment || !table)
        return 0;
    *search->found = (struct object){
        .start = (void *)(info->dlpi_addr + segment->p_vaddr),
        .end = (void *)(info->dlpi_addr + segment->p_vaddr + segment->p_memsz),
        .unwind_table = (void *)(info->dlpi_addr + table->p_vaddr),
    };
    return 1;
}

int _dl_find_object(void *address, struct object *found)
{
    struct search search = { (uintptr_t)address, found };
    return dl_iterate_phdr(look_into, &search) ? 0 : -1;
}

/* A static program has the C library's own. */
__attribute__((weak)) unsigned long __getauxval(unsigned long type)
{
    return getauxval(type);
}
"""

_FINISH_C = """\
for tool in addr2line ar as gcc-ar gcc-nm gcc-ranlib gcov ld nm objcopy objdump ranlib readelf strings strip; do
    ln -s ../../bin/{gnu}-$tool /usr/local/bin/{musl}-$tool
done
ln -s {musl}-gcc /usr/local/bin/{musl}-cc
# A folder like those of other cross toolchains, for what looks for a sysroot; QEMU finds the dynamic linker there.
mkdir /usr/{musl}
ln -s ../include/{musl} /usr/{musl}/include
ln -s ../lib/{musl} /usr/{musl}/lib
ln -s . /usr/{musl}/usr
# The kernel's headers, which musl leaves to the kernel; of those in scsi it has its own.
cd /usr/include/{musl}
for folder in {kernel}; do
    for name in asm asm-generic drm linux misc mtd rdma regulator sound video xen; do
        if [ -d "$folder/$name" ] && [ ! -e "$name" ]; then ln -s "$folder/$name" "$name"; fi
    done
    for file in "$folder"/scsi/*; do
        if [ -e "$file" ] && [ ! -e "scsi/${{file##*/}}" ]; then ln -s "../$file" scsi; fi
    done
done
[ -e /usr/lib/{musl}/ld-musl-{loader}.so.1 ] || ln -s libc.so /usr/lib/{musl}/ld-musl-{loader}.so.1
cd /tmp
{gnu}-ar rcs /usr/lib/{musl}/libgcc_musl.a
{musl}-gcc -O2 -fPIC -c /usr/lib/{musl}/libgcc_musl.c -o libgcc_musl.o
{gnu}-ar rcs /usr/lib/{musl}/libgcc_musl.a libgcc_musl.o
"""

_BUILD_CXX = """\
mkdir /tmp/gcc
cd /tmp/gcc
tar xf "$SOURCES/gcc.tar"
ln -s gthr-posix.h libgcc/gthr-default.h
mkdir build
cd build
../libstdc++-v3/configure --build="$(gcc -dumpmachine)" --host={musl} --prefix=/usr --libdir=/usr/lib/{musl} \\
    --with-gxx-include-dir=/usr/include/{musl}/c++ \\
    --disable-multilib --disable-nls --disable-libstdcxx-pch --disable-shared \\
    CC={musl}-gcc CXX="{musl}-g++ -nostdinc++" CFLAGS="-O2 -fPIC" CXXFLAGS="-O2 -fPIC" >configure.log 2>&1 ||
    {{ tail -n 40 configure.log; exit 1; }}
make -j "$(nproc)" >make.log 2>&1 || {{ tail -n 40 make.log; exit 1; }}
make -C include install >install.log
make -C libsupc++ install-bitsHEADERS install-stdHEADERS >>install.log
install -m 644 src/.libs/libstdc++.a libsupc++/.libs/libsupc++.a /usr/lib/{musl}
mkdir /usr/share/doc/libstdc++-{musl}
cat ../COPYING.RUNTIME ../COPYING3 >/usr/share/doc/libstdc++-{musl}/copyright
ln -s {musl}-g++ /usr/local/bin/{musl}-c++
"""

_GCC_FILES = (
    "libstdc++-v3/**",
    "libgcc/**.h",
    "libbacktrace/*",
    "libiberty/*",
    "include/*",
    *(f"gcc/{name}" for name in ("BASE-VER", "DATESTAMP", "DEV-PHASE")),
    *(f"config{name}" for name in ("-ml.in", ".guess", ".sub")),
    *("compile", "depcomp", "install-sh", "ltmain.sh", "missing", "mkinstalldirs", "move-if-change"),
    *("COPYING3", "COPYING.RUNTIME"),
)
_NOT_GCC_FILES = ("libstdc++-v3/testsuite/*/**", "libstdc++-v3/doc/html/**", "libstdc++-v3/doc/xml/**", "**/ChangeLog*")


def make_musl(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    prefix = f"{target.musl_triplet}-"
    return Toolchain(
        layers=(
            cross_gcc_layer(recipe, platform),
            _musl_layer(target, native=is_native(target, platform)),
            _cxx_layer(target, find_suite(recipe).gcc),
        ),
        linker=f"{prefix}gcc",
        cc=f"{prefix}gcc",
        cxx=f"{prefix}g++",
        ar=f"{prefix}ar",
        prefix=prefix,
        sysroot=f"/usr/{target.musl_triplet}",
        pkg_config=f"/usr/lib/{target.musl_triplet}/pkgconfig",
        bindgen=(f"--sysroot=/usr/{target.musl_triplet}", f"-isystem/usr/include/{target.musl_triplet}"),
        cmake_root=f"/usr/{target.musl_triplet}",
    )


def _musl_layer(target: Target, *, native: bool) -> LayerSpec:
    library = f"/usr/lib/{target.musl_triplet}"
    wrappers = (
        FileSpec(path=f"/usr/local/bin/{target.musl_triplet}-{tool}", content=_fill(_WRAPPER, target, tool), mode=0o755)
        for tool in ("gcc", "g++")
    )
    return LayerSpec(
        name=f"musl-{target.debian_arch}",
        comment="the musl C library, static and shared, and its compiler wrappers",
        packages=("musl-dev" if native else f"musl-dev:{target.debian_arch}",),
        files=(
            FileSpec(path=f"{library}/imagefab.specs", content=_fill(_SPECS, target), mode=0o644),
            FileSpec(path=f"{library}/libgcc_musl.c", content=_LIBRARY.encode(), mode=0o644),
            *wrappers,
        ),
        run=(
            RunSpec(
                name="tools, sysroot, and what libgcc asks of musl",
                script=_fill(_FINISH_C, target, kernel=_find_kernel_headers(target, native=native)).decode(),
            ),
        ),
    )


def _cxx_layer(target: Target, version: int) -> LayerSpec:
    return LayerSpec(
        name=f"musl-{target.debian_arch}-cxx",
        comment="GCC's C++ library, built from its source for musl",
        tarballs=(
            TarballSpec(
                name="gcc.tar",
                package=f"gcc-{version}-source",
                member=f"/usr/src/gcc-{version}/gcc-*.tar.xz",
                keep=_GCC_FILES,
                drop=_NOT_GCC_FILES,
            ),
        ),
        run=(RunSpec(name="libstdc++", script=_fill(_BUILD_CXX, target).decode()),),
    )


def _find_kernel_headers(target: Target, *, native: bool) -> str:
    """The folders that have them, as seen from musl's headers: the cross compiler's, or the image's own."""
    return f"../{target.multiarch} .." if native else f"../../{target.gnu_triplet}/include"


def _fill(template: str, target: Target, tool: str = "", kernel: str = "") -> bytes:
    return template.format(
        gnu=target.gnu_triplet,
        musl=target.musl_triplet,
        loader=_LOADERS.get(target.debian_arch, target.debian_arch),
        tool=tool,
        kernel=kernel,
        flags=_FLAGS.get(target.debian_arch, ""),
    ).encode()


def _accepts(target: Target) -> str | None:
    if not target.is_musl:
        return "it does not have the musl C library; kind `gcc` is for it"
    if not target.debian_release_arch:
        return f"the archive has no musl for {target.debian_arch}"
    return explain_libraries(target)


KIND = Kind(
    rules=KindRules(
        name="musl",
        summary="static binaries with the musl C library",
        accepts=_accepts,
    ),
    make=make_musl,
)
