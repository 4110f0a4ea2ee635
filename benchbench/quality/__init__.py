"""Features, statistics and scores, kept apart."""
