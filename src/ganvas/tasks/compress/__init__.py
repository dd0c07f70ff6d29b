"""Compression: pack rows or images into few bytes, lossless or nearly so."""
