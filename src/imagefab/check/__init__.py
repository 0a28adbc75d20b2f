"""Checks that an image works for cross: the contract that cross relies on, and probes that run in the built image."""
