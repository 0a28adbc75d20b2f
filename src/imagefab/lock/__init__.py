"""What was resolved, pinned by hash: the Lock, and imagefab.lock, the file that holds it."""
