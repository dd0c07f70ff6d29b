"""Semantic editing: change what images mean, such as more of a smile, older, longer sleeves."""
