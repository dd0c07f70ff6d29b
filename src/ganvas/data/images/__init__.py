"""Images, as files of any kind or arrays."""
