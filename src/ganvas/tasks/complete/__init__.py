"""Fill in what is missing: holes of rows, of pictures, what follows a beginning."""
