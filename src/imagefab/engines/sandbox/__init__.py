"""The embedded engine: Linux namespaces and overlayfs, no daemon. For root, and for users with subordinate ids."""
