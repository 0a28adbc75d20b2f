"""Debian's archives: releases, indexes, packages, and which of them go together."""
