# small: cross-compiles for aarch64-unknown-linux-gnu
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

# -- runner-aarch64: QEMU's user mode emulator for aarch64, and no other
FROM tools-amd64 AS runner-aarch64-amd64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=amd64/runner-aarch64,target=/run/imagefab \
    install -DT -m 755 /run/imagefab/files/usr/bin/qemu-aarch64 /usr/bin/qemu-aarch64 \
 && install -DT -m 755 /run/imagefab/files/linux-runner /linux-runner \
 && sh /run/imagefab/tidy.sh

# -- gcc-aarch64-linux-gnu: GCC for aarch64-linux-gnu
FROM runner-aarch64-amd64 AS gcc-aarch64-linux-gnu-amd64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=amd64/gcc-aarch64-linux-gnu,target=/run/imagefab \
    dpkg --add-architecture arm64 \
 && xargs -a /run/imagefab/filters sh -c 'exec dpkg --force-unsafe-io --force-confold --force-depends "$@" --unpack /run/imagefab/debs/*.deb' dpkg \
 && dpkg --force-unsafe-io --force-confold --configure --pending \
 && sh /run/imagefab/tidy.sh

# -- build-systems: what CMake and pkg-config ask about the target
FROM gcc-aarch64-linux-gnu-amd64 AS build-systems-amd64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=amd64/build-systems,target=/run/imagefab \
    install -d -m 755 /usr/lib/aarch64-linux-gnu/pkgconfig \
 && install -DT -m 644 /run/imagefab/files/opt/toolchain.cmake /opt/toolchain.cmake \
 && sh /run/imagefab/tidy.sh

# -- extras: what the recipe itself adds
FROM build-systems-amd64 AS extras-amd64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=amd64/extras,target=/run/imagefab \
    dpkg --add-architecture arm64 \
 && install -DT -m 755 /run/imagefab/files/usr/local/bin/tool /usr/local/bin/tool \
 && xargs -a /run/imagefab/filters sh -c 'exec dpkg --force-unsafe-io --force-confold --force-depends "$@" --unpack /run/imagefab/debs/*.deb' dpkg \
 && dpkg --force-unsafe-io --force-confold --configure --pending \
 && sh /run/imagefab/tidy.sh
#   build zlib
#   tar -xf "$SOURCES/zlib.tar.gz"
#
#   # make it
#   make
# hadolint ignore=DL3059
RUN --mount=type=bind,source=amd64/extras,target=/run/imagefab \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1700000000 SOURCES=/run/imagefab/sources sh /run/imagefab/run/environment.sh /bin/sh -eu /run/imagefab/run/1.sh \
 && sh /run/imagefab/tidy.sh
#   tidy up
#   rm -rf /root/x
# hadolint ignore=DL3059
RUN --mount=type=bind,source=amd64/extras,target=/run/imagefab \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1700000000 SOURCES=/run/imagefab/sources sh /run/imagefab/run/environment.sh /bin/sh -eu /run/imagefab/run/2.sh \
 && sh /run/imagefab/tidy.sh

FROM extras-amd64 AS image-amd64
LABEL org.cross-rs.for-cross-target=aarch64-unknown-linux-gnu \
    org.cross-rs.runs-with=qemu-user \
    imagefab.cpu=cortex-a53 \
    org.opencontainers.image.title=small \
    org.opencontainers.image.description="an \"image\" for \$5"
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="/linux-runner aarch64" \
    CROSS_TARGET_RUNNER="/linux-runner aarch64" \
    QEMU_LD_PREFIX=/usr/aarch64-linux-gnu \
    RUST_TEST_THREADS=1 \
    CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
    CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++ \
    AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar \
    CMAKE_TOOLCHAIN_FILE_aarch64_unknown_linux_gnu=/opt/toolchain.cmake \
    CROSS_CMAKE_SYSTEM_NAME=Linux \
    CROSS_CMAKE_SYSTEM_PROCESSOR=aarch64 \
    CROSS_CMAKE_CRT=gnu \
    CROSS_CMAKE_OBJECT_FLAGS="-ffunction-sections -fdata-sections -fPIC" \
    CROSS_TOOLCHAIN_PREFIX=aarch64-linux-gnu- \
    CROSS_TOOLCHAIN_SUFFIX="" \
    CROSS_SYSROOT=/usr/aarch64-linux-gnu \
    BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu="-isystem/usr/aarch64-linux-gnu/include -idirafter/usr/include/aarch64-linux-gnu -idirafter/usr/include" \
    PKG_CONFIG_PATH=/usr/lib/aarch64-linux-gnu/pkgconfig \
    PKG_CONFIG_ALLOW_CROSS=1 \
    CROSS_DEB_ARCH=arm64 \
    QUOTES="say \"hi\" and 'ho'" \
    DOLLARS="\$HOME \${NOTHING} \$(id) `id`" \
    BACKSLASHES="C:\\dir\\x" \
    EMPTY="" \
    PLAIN=a/b:c=1,2
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

# -- runner-aarch64: runs programs as they are: the host platform is the target
FROM tools-arm64 AS runner-aarch64-arm64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=arm64/runner-aarch64,target=/run/imagefab \
    install -DT -m 755 /run/imagefab/files/linux-runner /linux-runner \
 && sh /run/imagefab/tidy.sh

# -- build-systems: what CMake and pkg-config ask about the target
FROM runner-aarch64-arm64 AS build-systems-arm64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=arm64/build-systems,target=/run/imagefab \
    install -d -m 755 /usr/lib/aarch64-linux-gnu/pkgconfig \
 && install -DT -m 644 /run/imagefab/files/opt/toolchain.cmake /opt/toolchain.cmake \
 && sh /run/imagefab/tidy.sh

# -- extras: what the recipe itself adds
FROM build-systems-arm64 AS extras-arm64
ARG DEBCONF_NONINTERACTIVE_SEEN=true
ARG DEBIAN_FRONTEND=noninteractive
ARG LC_ALL=C.UTF-8
ARG SOURCE_DATE_EPOCH=1700000000
RUN --mount=type=bind,source=arm64/extras,target=/run/imagefab \
    install -DT -m 755 /run/imagefab/files/usr/local/bin/tool /usr/local/bin/tool \
 && xargs -a /run/imagefab/filters sh -c 'exec dpkg --force-unsafe-io --force-confold --force-depends "$@" --unpack /run/imagefab/debs/*.deb' dpkg \
 && dpkg --force-unsafe-io --force-confold --configure --pending \
 && sh /run/imagefab/tidy.sh
#   build zlib
#   tar -xf "$SOURCES/zlib.tar.gz"
#
#   # make it
#   make
# hadolint ignore=DL3059
RUN --mount=type=bind,source=arm64/extras,target=/run/imagefab \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1700000000 SOURCES=/run/imagefab/sources sh /run/imagefab/run/environment.sh /bin/sh -eu /run/imagefab/run/1.sh \
 && sh /run/imagefab/tidy.sh
#   tidy up
#   rm -rf /root/x
# hadolint ignore=DL3059
RUN --mount=type=bind,source=arm64/extras,target=/run/imagefab \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1700000000 SOURCES=/run/imagefab/sources sh /run/imagefab/run/environment.sh /bin/sh -eu /run/imagefab/run/2.sh \
 && sh /run/imagefab/tidy.sh

FROM extras-arm64 AS image-arm64
LABEL org.cross-rs.for-cross-target=aarch64-unknown-linux-gnu \
    org.cross-rs.runs-with=native \
    org.opencontainers.image.title=small \
    org.opencontainers.image.description="an \"image\" for \$5"
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="/linux-runner aarch64" \
    CROSS_TARGET_RUNNER="/linux-runner aarch64" \
    CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
    CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++ \
    AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar \
    CMAKE_TOOLCHAIN_FILE_aarch64_unknown_linux_gnu=/opt/toolchain.cmake \
    CROSS_CMAKE_SYSTEM_NAME=Linux \
    CROSS_CMAKE_SYSTEM_PROCESSOR=aarch64 \
    CROSS_CMAKE_CRT=gnu \
    CROSS_CMAKE_OBJECT_FLAGS="-ffunction-sections -fdata-sections -fPIC" \
    CROSS_TOOLCHAIN_PREFIX=aarch64-linux-gnu- \
    CROSS_TOOLCHAIN_SUFFIX="" \
    CROSS_SYSROOT=/ \
    PKG_CONFIG_PATH=/usr/lib/aarch64-linux-gnu/pkgconfig \
    PKG_CONFIG_ALLOW_CROSS=1 \
    QUOTES="say \"hi\" and 'ho'" \
    DOLLARS="\$HOME \${NOTHING} \$(id) `id`" \
    BACKSLASHES="C:\\dir\\x" \
    EMPTY="" \
    PLAIN=a/b:c=1,2
CMD ["bash"]

# hadolint ignore=DL3006
FROM image-${TARGETARCH}
