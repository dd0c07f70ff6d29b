"""Texts, as tokens."""
