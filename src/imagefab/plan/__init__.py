"""Recipe and lock together: the Plan, the Dockerfile that says the same to people and engines, the build context."""
