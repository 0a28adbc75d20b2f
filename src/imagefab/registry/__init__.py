"""Registries: references, credentials, and the distribution protocol, for pushing and pulling images."""
