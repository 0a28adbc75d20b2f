"""Committed records of built images: checks and publications."""
