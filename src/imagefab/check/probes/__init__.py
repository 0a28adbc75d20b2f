"""The probes of an image: from its subject to shell scripts. Pure; one module for each sort of target.

A script runs under `sh -eu`, in a folder of its own, with only the image's environment. The image's variables are
untrusted, so they are quoted as words in scripts.
"""
