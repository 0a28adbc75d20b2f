"""What a person writes, one TOML file an image, and how it becomes a frozen Recipe."""
