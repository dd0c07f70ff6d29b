"""Sampling: generate new examples."""
