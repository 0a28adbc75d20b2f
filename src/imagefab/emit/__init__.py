"""What cross and cargo read: Cross.toml and .cargo/config.toml, as pure functions from text to text."""
