# small: cross-compiles for x86_64-unknown-linux-musl
#
# Written by `imagefab render small`; do not edit. It says what recipes/small.toml and imagefab.lock mean.
# `imagefab context small DIR` lays out all that it needs, checked against the lock. Then, without imagefab:
#
#     docker buildx build --network none DIR

# ==== linux/amd64 ====
# -- base: a small Debian
FROM scratch AS base-amd64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
ADD amd64/base/rootfs.tar /
RUN --mount=type=bind,source=amd64/base,target=/run/imagefab \
    install -DT -m 644 /run/imagefab/files/etc/motd /etc/motd \
 && xargs -a /run/imagefab/filters sh -c 'exec dpkg --force-unsafe-io --force-confold --force-depends "$@" --unpack /run/imagefab/debs/*.deb' dpkg \
 && dpkg --force-unsafe-io --force-confold --configure --pending \
 && sh /run/imagefab/tidy.sh

# -- tools: make & more
FROM base-amd64 AS tools-amd64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=amd64/tools,target=/run/imagefab \
    xargs -a /run/imagefab/filters sh -c 'exec dpkg --force-unsafe-io --force-confold --force-depends "$@" --unpack /run/imagefab/debs/*.deb' dpkg \
 && dpkg --force-unsafe-io --force-confold --configure --pending \
 && sh /run/imagefab/tidy.sh

# -- musl-amd64: the musl C library, static and shared, and its compiler wrappers
FROM tools-amd64 AS musl-amd64-amd64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=amd64/musl-amd64,target=/run/imagefab \
    install -DT -m 644 /run/imagefab/files/usr/lib/x86_64-linux-musl/imagefab.specs /usr/lib/x86_64-linux-musl/imagefab.specs \
 && install -DT -m 644 /run/imagefab/files/usr/lib/x86_64-linux-musl/libgcc_musl.c /usr/lib/x86_64-linux-musl/libgcc_musl.c \
 && install -DT -m 755 /run/imagefab/files/usr/local/bin/x86_64-linux-musl-gcc /usr/local/bin/x86_64-linux-musl-gcc \
 && install -DT -m 755 /run/imagefab/files/usr/local/bin/x86_64-linux-musl-g++ /usr/local/bin/x86_64-linux-musl-g++ \
 && xargs -a /run/imagefab/filters sh -c 'exec dpkg --force-unsafe-io --force-confold --force-depends "$@" --unpack /run/imagefab/debs/*.deb' dpkg \
 && dpkg --force-unsafe-io --force-confold --configure --pending \
 && sh /run/imagefab/tidy.sh
#   tools, sysroot, and what libgcc asks of musl
#   for tool in addr2line ar as gcc-ar gcc-nm gcc-ranlib gcov ld nm objcopy objdump ranlib readelf strings strip; do
#       ln -s ../../bin/x86_64-linux-gnu-$tool /usr/local/bin/x86_64-linux-musl-$tool
#   done
#   ln -s x86_64-linux-musl-gcc /usr/local/bin/x86_64-linux-musl-cc
#   # A sysroot laid out like those of other cross toolchains; QEMU finds the dynamic linker there.
#   mkdir /usr/x86_64-linux-musl
#   ln -s ../include/x86_64-linux-musl /usr/x86_64-linux-musl/include
#   ln -s ../lib/x86_64-linux-musl /usr/x86_64-linux-musl/lib
#   ln -s . /usr/x86_64-linux-musl/usr
#   # The kernel's headers, which musl does not include, except for some of its own in scsi.
#   cd /usr/include/x86_64-linux-musl
#   for folder in ../x86_64-linux-gnu ..; do
#       for name in asm asm-generic drm linux misc mtd rdma regulator sound video xen; do
#           if [ -d "$folder/$name" ] && [ ! -e "$name" ]; then ln -s "$folder/$name" "$name"; fi
#       done
#       for file in "$folder"/scsi/*; do
#           if [ -e "$file" ] && [ ! -e "scsi/${file##*/}" ]; then ln -s "../$file" scsi; fi
#       done
#   done
#   [ -e /usr/lib/x86_64-linux-musl/ld-musl-x86_64.so.1 ] || ln -s libc.so /usr/lib/x86_64-linux-musl/ld-musl-x86_64.so.1
#   cd /tmp
#   x86_64-linux-gnu-ar rcs /usr/lib/x86_64-linux-musl/libgcc_musl.a
#   x86_64-linux-musl-gcc -O2 -fPIC -c /usr/lib/x86_64-linux-musl/libgcc_musl.c -o libgcc_musl.o
#   x86_64-linux-gnu-ar rcs /usr/lib/x86_64-linux-musl/libgcc_musl.a libgcc_musl.o
# hadolint ignore=DL3059
RUN --mount=type=bind,source=amd64/musl-amd64,target=/run/imagefab \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1700000000 SOURCES=/run/imagefab/sources sh -eu /run/imagefab/run/1.sh \
 && sh /run/imagefab/tidy.sh

# -- musl-amd64-cxx: GCC's C++ library, built from its source for musl
FROM musl-amd64-amd64 AS musl-amd64-cxx-amd64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
#   libstdc++
#   mkdir /tmp/gcc
#   cd /tmp/gcc
#   tar xf "$SOURCES/gcc.tar"
#   ln -s gthr-posix.h libgcc/gthr-default.h
#   mkdir build
#   cd build
#   ../libstdc++-v3/configure --build="$(gcc -dumpmachine)" --host=x86_64-linux-musl --prefix=/usr --libdir=/usr/lib/x86_64-linux-musl \
#       --with-gxx-include-dir=/usr/include/x86_64-linux-musl/c++ \
#       --disable-multilib --disable-nls --disable-libstdcxx-pch --disable-shared \
#       CC=x86_64-linux-musl-gcc CXX="x86_64-linux-musl-g++ -nostdinc++" CFLAGS="-O2 -fPIC" CXXFLAGS="-O2 -fPIC" >configure.log 2>&1 ||
#       { tail -n 40 configure.log; exit 1; }
#   make -j "$(nproc)" >make.log 2>&1 || { tail -n 40 make.log; exit 1; }
#   make -C include install >install.log
#   make -C libsupc++ install-bitsHEADERS install-stdHEADERS >>install.log
#   install -m 644 src/.libs/libstdc++.a libsupc++/.libs/libsupc++.a /usr/lib/x86_64-linux-musl
#   mkdir /usr/share/doc/libstdc++-x86_64-linux-musl
#   cat ../COPYING.RUNTIME ../COPYING3 >/usr/share/doc/libstdc++-x86_64-linux-musl/copyright
#   ln -s x86_64-linux-musl-g++ /usr/local/bin/x86_64-linux-musl-c++
RUN --mount=type=bind,source=amd64/musl-amd64-cxx,target=/run/imagefab \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1700000000 SOURCES=/run/imagefab/sources sh -eu /run/imagefab/run/1.sh \
 && sh /run/imagefab/tidy.sh

# -- build-systems: what CMake and pkg-config ask about the target
FROM musl-amd64-cxx-amd64 AS build-systems-amd64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=amd64/build-systems,target=/run/imagefab \
    install -d -m 755 /usr/lib/x86_64-linux-musl/pkgconfig \
 && install -DT -m 644 /run/imagefab/files/opt/toolchain.cmake /opt/toolchain.cmake \
 && sh /run/imagefab/tidy.sh

FROM build-systems-amd64 AS image-amd64
LABEL org.cross-rs.for-cross-target=x86_64-unknown-linux-musl \
    org.cross-rs.runs-with=none \
    org.opencontainers.image.title=small \
    org.opencontainers.image.description="an \"image\" for \$5"
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=x86_64-linux-musl-gcc \
    CC_x86_64_unknown_linux_musl=x86_64-linux-musl-gcc \
    CXX_x86_64_unknown_linux_musl=x86_64-linux-musl-g++ \
    AR_x86_64_unknown_linux_musl=x86_64-linux-musl-ar \
    CMAKE_TOOLCHAIN_FILE_x86_64_unknown_linux_musl=/opt/toolchain.cmake \
    CROSS_CMAKE_SYSTEM_NAME=Linux \
    CROSS_CMAKE_SYSTEM_PROCESSOR=x86_64 \
    CROSS_CMAKE_CRT=musl \
    CROSS_CMAKE_OBJECT_FLAGS="-ffunction-sections -fdata-sections -fPIC" \
    CROSS_TOOLCHAIN_PREFIX=x86_64-linux-musl- \
    CROSS_TOOLCHAIN_SUFFIX="" \
    CROSS_SYSROOT=/usr/x86_64-linux-musl \
    BINDGEN_EXTRA_CLANG_ARGS_x86_64_unknown_linux_musl="--sysroot=/usr/x86_64-linux-musl -isystem/usr/include/x86_64-linux-musl" \
    PKG_CONFIG_PATH=/usr/lib/x86_64-linux-musl/pkgconfig \
    PKG_CONFIG_ALLOW_CROSS=1
CMD ["bash"]
# ==== linux/arm64 ====
# -- base: a small Debian
FROM scratch AS base-arm64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
ADD arm64/base/rootfs.tar /
RUN --mount=type=bind,source=arm64/base,target=/run/imagefab \
    install -DT -m 644 /run/imagefab/files/etc/motd /etc/motd \
 && xargs -a /run/imagefab/filters sh -c 'exec dpkg --force-unsafe-io --force-confold --force-depends "$@" --unpack /run/imagefab/debs/*.deb' dpkg \
 && dpkg --force-unsafe-io --force-confold --configure --pending \
 && sh /run/imagefab/tidy.sh

# -- tools: make & more
FROM base-arm64 AS tools-arm64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=arm64/tools,target=/run/imagefab \
    xargs -a /run/imagefab/filters sh -c 'exec dpkg --force-unsafe-io --force-confold --force-depends "$@" --unpack /run/imagefab/debs/*.deb' dpkg \
 && dpkg --force-unsafe-io --force-confold --configure --pending \
 && sh /run/imagefab/tidy.sh

# -- gcc-x86_64-linux-gnu: GCC for x86_64-linux-gnu
FROM tools-arm64 AS gcc-x86_64-linux-gnu-arm64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=arm64/gcc-x86_64-linux-gnu,target=/run/imagefab \
    dpkg --add-architecture amd64 \
 && xargs -a /run/imagefab/filters sh -c 'exec dpkg --force-unsafe-io --force-confold --force-depends "$@" --unpack /run/imagefab/debs/*.deb' dpkg \
 && dpkg --force-unsafe-io --force-confold --configure --pending \
 && sh /run/imagefab/tidy.sh

# -- musl-amd64: the musl C library, static and shared, and its compiler wrappers
FROM gcc-x86_64-linux-gnu-arm64 AS musl-amd64-arm64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=arm64/musl-amd64,target=/run/imagefab \
    install -DT -m 644 /run/imagefab/files/usr/lib/x86_64-linux-musl/imagefab.specs /usr/lib/x86_64-linux-musl/imagefab.specs \
 && install -DT -m 644 /run/imagefab/files/usr/lib/x86_64-linux-musl/libgcc_musl.c /usr/lib/x86_64-linux-musl/libgcc_musl.c \
 && install -DT -m 755 /run/imagefab/files/usr/local/bin/x86_64-linux-musl-gcc /usr/local/bin/x86_64-linux-musl-gcc \
 && install -DT -m 755 /run/imagefab/files/usr/local/bin/x86_64-linux-musl-g++ /usr/local/bin/x86_64-linux-musl-g++ \
 && xargs -a /run/imagefab/filters sh -c 'exec dpkg --force-unsafe-io --force-confold --force-depends "$@" --unpack /run/imagefab/debs/*.deb' dpkg \
 && dpkg --force-unsafe-io --force-confold --configure --pending \
 && sh /run/imagefab/tidy.sh
#   tools, sysroot, and what libgcc asks of musl
#   for tool in addr2line ar as gcc-ar gcc-nm gcc-ranlib gcov ld nm objcopy objdump ranlib readelf strings strip; do
#       ln -s ../../bin/x86_64-linux-gnu-$tool /usr/local/bin/x86_64-linux-musl-$tool
#   done
#   ln -s x86_64-linux-musl-gcc /usr/local/bin/x86_64-linux-musl-cc
#   # A sysroot laid out like those of other cross toolchains; QEMU finds the dynamic linker there.
#   mkdir /usr/x86_64-linux-musl
#   ln -s ../include/x86_64-linux-musl /usr/x86_64-linux-musl/include
#   ln -s ../lib/x86_64-linux-musl /usr/x86_64-linux-musl/lib
#   ln -s . /usr/x86_64-linux-musl/usr
#   # The kernel's headers, which musl does not include, except for some of its own in scsi.
#   cd /usr/include/x86_64-linux-musl
#   for folder in ../../x86_64-linux-gnu/include; do
#       for name in asm asm-generic drm linux misc mtd rdma regulator sound video xen; do
#           if [ -d "$folder/$name" ] && [ ! -e "$name" ]; then ln -s "$folder/$name" "$name"; fi
#       done
#       for file in "$folder"/scsi/*; do
#           if [ -e "$file" ] && [ ! -e "scsi/${file##*/}" ]; then ln -s "../$file" scsi; fi
#       done
#   done
#   [ -e /usr/lib/x86_64-linux-musl/ld-musl-x86_64.so.1 ] || ln -s libc.so /usr/lib/x86_64-linux-musl/ld-musl-x86_64.so.1
#   cd /tmp
#   x86_64-linux-gnu-ar rcs /usr/lib/x86_64-linux-musl/libgcc_musl.a
#   x86_64-linux-musl-gcc -O2 -fPIC -c /usr/lib/x86_64-linux-musl/libgcc_musl.c -o libgcc_musl.o
#   x86_64-linux-gnu-ar rcs /usr/lib/x86_64-linux-musl/libgcc_musl.a libgcc_musl.o
# hadolint ignore=DL3059
RUN --mount=type=bind,source=arm64/musl-amd64,target=/run/imagefab \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1700000000 SOURCES=/run/imagefab/sources sh -eu /run/imagefab/run/1.sh \
 && sh /run/imagefab/tidy.sh

# -- musl-amd64-cxx: GCC's C++ library, built from its source for musl
FROM musl-amd64-arm64 AS musl-amd64-cxx-arm64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
#   libstdc++
#   mkdir /tmp/gcc
#   cd /tmp/gcc
#   tar xf "$SOURCES/gcc.tar"
#   ln -s gthr-posix.h libgcc/gthr-default.h
#   mkdir build
#   cd build
#   ../libstdc++-v3/configure --build="$(gcc -dumpmachine)" --host=x86_64-linux-musl --prefix=/usr --libdir=/usr/lib/x86_64-linux-musl \
#       --with-gxx-include-dir=/usr/include/x86_64-linux-musl/c++ \
#       --disable-multilib --disable-nls --disable-libstdcxx-pch --disable-shared \
#       CC=x86_64-linux-musl-gcc CXX="x86_64-linux-musl-g++ -nostdinc++" CFLAGS="-O2 -fPIC" CXXFLAGS="-O2 -fPIC" >configure.log 2>&1 ||
#       { tail -n 40 configure.log; exit 1; }
#   make -j "$(nproc)" >make.log 2>&1 || { tail -n 40 make.log; exit 1; }
#   make -C include install >install.log
#   make -C libsupc++ install-bitsHEADERS install-stdHEADERS >>install.log
#   install -m 644 src/.libs/libstdc++.a libsupc++/.libs/libsupc++.a /usr/lib/x86_64-linux-musl
#   mkdir /usr/share/doc/libstdc++-x86_64-linux-musl
#   cat ../COPYING.RUNTIME ../COPYING3 >/usr/share/doc/libstdc++-x86_64-linux-musl/copyright
#   ln -s x86_64-linux-musl-g++ /usr/local/bin/x86_64-linux-musl-c++
RUN --mount=type=bind,source=arm64/musl-amd64-cxx,target=/run/imagefab \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1700000000 SOURCES=/run/imagefab/sources sh -eu /run/imagefab/run/1.sh \
 && sh /run/imagefab/tidy.sh

# -- build-systems: what CMake and pkg-config ask about the target
FROM musl-amd64-cxx-arm64 AS build-systems-arm64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=arm64/build-systems,target=/run/imagefab \
    install -d -m 755 /usr/lib/x86_64-linux-musl/pkgconfig \
 && install -DT -m 644 /run/imagefab/files/opt/toolchain.cmake /opt/toolchain.cmake \
 && sh /run/imagefab/tidy.sh

FROM build-systems-arm64 AS image-arm64
LABEL org.cross-rs.for-cross-target=x86_64-unknown-linux-musl \
    org.cross-rs.runs-with=none \
    org.opencontainers.image.title=small \
    org.opencontainers.image.description="an \"image\" for \$5"
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=x86_64-linux-musl-gcc \
    CC_x86_64_unknown_linux_musl=x86_64-linux-musl-gcc \
    CXX_x86_64_unknown_linux_musl=x86_64-linux-musl-g++ \
    AR_x86_64_unknown_linux_musl=x86_64-linux-musl-ar \
    CMAKE_TOOLCHAIN_FILE_x86_64_unknown_linux_musl=/opt/toolchain.cmake \
    CROSS_CMAKE_SYSTEM_NAME=Linux \
    CROSS_CMAKE_SYSTEM_PROCESSOR=x86_64 \
    CROSS_CMAKE_CRT=musl \
    CROSS_CMAKE_OBJECT_FLAGS="-ffunction-sections -fdata-sections -fPIC" \
    CROSS_TOOLCHAIN_PREFIX=x86_64-linux-musl- \
    CROSS_TOOLCHAIN_SUFFIX="" \
    CROSS_SYSROOT=/usr/x86_64-linux-musl \
    BINDGEN_EXTRA_CLANG_ARGS_x86_64_unknown_linux_musl="--sysroot=/usr/x86_64-linux-musl -isystem/usr/include/x86_64-linux-musl" \
    PKG_CONFIG_PATH=/usr/lib/x86_64-linux-musl/pkgconfig \
    PKG_CONFIG_ALLOW_CROSS=1 \
    CROSS_DEB_ARCH=amd64
CMD ["bash"]

# hadolint ignore=DL3006
FROM image-${TARGETARCH}
