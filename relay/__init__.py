"""callveil: a media relay whose calls are closed, so that no party learns another's address."""

__version__ = "0.1.0"
