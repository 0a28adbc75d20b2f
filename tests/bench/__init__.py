"""The bench: `make bench`."""
