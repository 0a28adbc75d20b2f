"""Runners: how the target's programs run in the image. One module each; any kind works with any runner."""
