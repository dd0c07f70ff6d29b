"""Make new examples."""
