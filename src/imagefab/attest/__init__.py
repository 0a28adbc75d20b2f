"""What is said of an image, and signed: what is in it, and how it was made."""
