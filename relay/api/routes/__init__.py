"""One module for each group of paths of the HTTP API."""
