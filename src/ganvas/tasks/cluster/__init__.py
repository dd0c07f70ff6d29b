"""Clustering: put examples that are alike into groups."""
