"""What people have, and tensors: one kind of data, one file."""
