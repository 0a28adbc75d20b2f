"""Registries: names, credentials, and the distribution protocol, for pushing and reading images."""
