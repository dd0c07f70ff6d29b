"""Videos, as clips of a fixed number of frames."""
