"""What a trained model is good for: one task, one file."""
