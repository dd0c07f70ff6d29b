"""The folder of a trained model: what it holds, its diagnosis, and what it can be used for."""
