"""The files of cross and cargo: pins, profiles and a linter."""
