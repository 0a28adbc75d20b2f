"""Kinds of toolchain, one module each: what to install, which wrappers and environment, how to run programs. Pure."""
