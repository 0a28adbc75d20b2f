"""Files that may be hostile: read with limits, written atomically, removed at any depth."""
