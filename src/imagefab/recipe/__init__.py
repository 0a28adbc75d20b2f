"""Recipes: the TOML file that a person writes for each image, and how it becomes a frozen Recipe."""
