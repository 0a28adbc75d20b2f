"""What cross sets CROSS_DEB_ARCH to in `pre-build`, for each target. Versions 0.2.5 and main agree."""

from __future__ import annotations

_LIST = """
    aarch64-unknown-linux-gnu=arm64 aarch64-unknown-linux-musl=musl-linux-arm64 x86_64-unknown-linux-gnu=amd64
    x86_64-apple-darwin=darwin-amd64 x86_64-unknown-linux-musl=musl-linux-amd64 arm-unknown-linux-gnueabi=armel
    arm-unknown-linux-gnueabihf=armhf armv7-unknown-linux-gnueabi=armel armv7-unknown-linux-gnueabihf=armhf
    thumbv7neon-unknown-linux-gnueabihf=armhf i586-unknown-linux-gnu=i386 i686-unknown-linux-gnu=i386
    mips-unknown-linux-gnu=mips mipsel-unknown-linux-gnu=mipsel mips64-unknown-linux-gnuabi64=mips64
    mips64el-unknown-linux-gnuabi64=mips64el mips64-unknown-linux-muslabi64=musl-linux-mips64
    mips64el-unknown-linux-muslabi64=musl-linux-mips64el powerpc-unknown-linux-gnu=powerpc
    powerpc64-unknown-linux-gnu=ppc64 powerpc64le-unknown-linux-gnu=ppc64el riscv64gc-unknown-linux-gnu=riscv64
    s390x-unknown-linux-gnu=s390x sparc64-unknown-linux-gnu=sparc64 arm-unknown-linux-musleabihf=musl-linux-armhf
    arm-unknown-linux-musleabi=musl-linux-arm armv7-unknown-linux-musleabi=musl-linux-arm
    armv7-unknown-linux-musleabihf=musl-linux-armhf i586-unknown-linux-musl=musl-linux-i386
    i686-unknown-linux-musl=musl-linux-i386 mips-unknown-linux-musl=musl-linux-mips
    mipsel-unknown-linux-musl=musl-linux-mipsel x86_64-unknown-dragonfly=dragonflybsd-amd64
    i686-unknown-freebsd=freebsd-i386 x86_64-unknown-freebsd=freebsd-amd64 aarch64-unknown-freebsd=freebsd-arm64
    x86_64-unknown-netbsd=netbsd-amd64 sparcv9-sun-solaris=solaris-sparc x86_64-pc-solaris=solaris-amd64
    x86_64-sun-solaris=solaris-amd64 thumbv6m-none-eabi=arm thumbv7em-none-eabi=arm thumbv7em-none-eabihf=armhf
    thumbv7m-none-eabi=arm
"""
CROSS_DEB_ARCH: dict[str, str] = dict(one.split("=") for one in _LIST.split())
"""Empty for all others."""
HOST = "amd64"
"""The architecture of cross's own images."""


def find_debian_arch(triple: str) -> str | None:
    """Return the Debian architecture whose libraries a target links against; None if there is none."""
    found = CROSS_DEB_ARCH.get(triple)
    return found if "-linux-gnu" in triple else None
