"""What tasks answer: one kind of result, one file."""
