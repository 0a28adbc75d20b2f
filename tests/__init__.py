"""The tests of imagefab."""
