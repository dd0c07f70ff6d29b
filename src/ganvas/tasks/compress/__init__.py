"""Pack rows or images into few bytes, to be had again bit for bit, or nearly so."""
