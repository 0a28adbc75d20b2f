"""Where bytes come from, and what proves them."""
