"""Plans, made from a recipe and its lock, with the Dockerfile and the build context that express them."""
