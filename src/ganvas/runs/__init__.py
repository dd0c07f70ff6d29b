"""A run: the folder that a training leaves behind, and what is learned of its model afterwards."""
