"""Which probes an image gets: from its subject to shell scripts. Pure; one module for each sort of target.

A script runs under `sh -eu`, in a folder of its own, with the image's environment and nothing else. What the image says
of itself (its variables) is a stranger's text: it goes into scripts quoted, as words.
"""
