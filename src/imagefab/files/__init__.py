"""Files that others may have a hand in: read with bounds, written whole, removed at any depth."""
