"""Debian's archives: releases, indexes, packages, and dependency resolution."""
