"""Change what images mean: more of a smile, older, longer sleeves."""
