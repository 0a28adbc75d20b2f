"""Attest images: what is in them, how they were made, and signatures."""
