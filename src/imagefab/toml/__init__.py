"""TOML files: values with their rules, positions, edits."""
