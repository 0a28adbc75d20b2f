"""Locks: resolved packages and sources, pinned by hash and stored in imagefab.lock."""
