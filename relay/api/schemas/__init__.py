"""Bodies of the HTTP API as pydantic models. `base.py` says how they are named."""
