"""The store, which keeps blobs and records of built layers."""
