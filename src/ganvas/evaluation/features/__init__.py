"""What images are compared by: one kind of features, one file."""
