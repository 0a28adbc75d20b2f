"""Bytes by hash, from mirrors, through pip, or from the user's files."""
