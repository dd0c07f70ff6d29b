"""What tasks give: one kind of result, one file, which says everything about itself."""
