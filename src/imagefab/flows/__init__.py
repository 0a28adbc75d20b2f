"""What the command line's verbs do, from a request to a result."""
