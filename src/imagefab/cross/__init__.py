"""The files of cross and cargo: pins, profiles and what is wrong in them."""
