"""Data augmentation: add new examples of rare classes, and say on held-out ones whether that
helped."""
