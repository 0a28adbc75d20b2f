"""The command line: one module a verb, each reads arguments, calls the rooms and prints. No logic."""
