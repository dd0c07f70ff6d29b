"""How good a result is: one metric, one file."""
