"""Canonical layers, configs, manifests and indexes, and how the store keeps layers."""
