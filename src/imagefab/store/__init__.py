"""Where blobs and records of built layers are kept."""
