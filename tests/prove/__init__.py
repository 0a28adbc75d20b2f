"""What takes hours: every recipe on every host platform, for a person or a nightly. `make prove` runs it."""
