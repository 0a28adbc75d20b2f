"""The command line: one module for each verb, which reads arguments, calls other packages and prints. No logic."""
