"""Find what is not normal, and say how sure that is and why."""
