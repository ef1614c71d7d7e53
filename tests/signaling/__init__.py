"""The recipes of docs/signaling, run as they stand."""
