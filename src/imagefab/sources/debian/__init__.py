"""Debian archives: signed indexes, the resolver that chooses packages from them, and the packages themselves."""
