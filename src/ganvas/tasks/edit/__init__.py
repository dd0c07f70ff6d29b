"""Change what pictures mean: more of a smile, older, longer sleeves."""
