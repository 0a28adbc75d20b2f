"""One module a kind of toolchain: what to install, which wrappers and environment, how to run programs. Pure."""
