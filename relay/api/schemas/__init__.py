"""The bodies of requests and answers of the HTTP API, as pydantic models."""
