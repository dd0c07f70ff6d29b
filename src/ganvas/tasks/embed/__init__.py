"""Embeddings: summarise examples as latents, and lay these out as a map."""
