"""A client of callveil's HTTP API, for signaling servers in Python: `Client` and `AsyncClient`.

Rules of this package: it imports nothing of the daemon. The token is sent to the URL that was given
and nowhere else, so the client follows no redirect and uses no proxy, and it stands in no `repr`,
no exception and no log. Whatever goes wrong is a `ClientError`.
"""

from relay.client.clients import AsyncClient, Client
from relay.errors import ApiFault, BadAnswer, ClientError, NoAnswer

__all__ = ["ApiFault", "AsyncClient", "BadAnswer", "Client", "ClientError", "NoAnswer"]
