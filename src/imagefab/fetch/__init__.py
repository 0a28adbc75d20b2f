"""Fetches files by digest: from mirrors, through pip, or from the user's files."""
