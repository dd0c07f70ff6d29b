"""Time series, seen through windows of a fixed length."""
