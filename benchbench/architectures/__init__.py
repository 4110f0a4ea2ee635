"""Networks, one file per family, each with its paper, its stage map and its exact parameter count."""
