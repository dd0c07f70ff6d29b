"""Front doors: the command line, the studio, the service, the assistant's tools, and what they
share."""
