"""TOML files: rules for values, positions for errors, and edits."""
