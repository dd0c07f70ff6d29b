"""Inpainting and imputation: fill in masked regions, missing values, or what follows a
beginning."""
