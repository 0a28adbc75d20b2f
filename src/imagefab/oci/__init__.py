"""Canonical layers, configs, manifests and indexes, and the store on disk that keeps them."""
