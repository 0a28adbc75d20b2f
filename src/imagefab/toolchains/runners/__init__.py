"""Runners: how the target's programs run inside the image. One module each; any kind goes with any runner."""
