"""What the end-to-end tests stand on: the command line, stores and projects, registries, engines, toolchains."""
