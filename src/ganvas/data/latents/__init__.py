"""Latents: what the encoder of another run makes of data."""
