"""What is committed of images that were built: checks and publications."""
