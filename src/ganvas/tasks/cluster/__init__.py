"""Put examples that are alike into groups."""
