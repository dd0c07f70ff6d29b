"""Fill in what is missing: masked regions of rows, of images, what follows a beginning."""
