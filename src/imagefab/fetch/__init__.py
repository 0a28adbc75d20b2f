"""Fetches files by digest: from mirrors, through pip or cargo, or from the user's files."""
