"""Is it a good cross image? The contract that cross relies on, and probes that run inside exactly the built image."""
