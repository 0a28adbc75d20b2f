"""An image to check, with nothing wrong with it."""

from __future__ import annotations

from imagefab.check.subject import FOR_TARGET, RUNS_WITH, Subject

TRIPLE = "aarch64-unknown-linux-gnu"
ENV = {
    "CC_aarch64_unknown_linux_gnu": "gcc",
    "AR_aarch64_unknown_linux_gnu": "ar",
    "CMAKE_TOOLCHAIN_FILE_aarch64_unknown_linux_gnu": "/opt/toolchain.cmake",
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER": "gcc",
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER": "/linux-runner aarch64",
    "PKG_CONFIG_ALLOW_CROSS": "1",
}
GOOD = Subject(name="image", triple=TRIPLE, env=ENV, labels={FOR_TARGET: TRIPLE, RUNS_WITH: "qemu-user"})
