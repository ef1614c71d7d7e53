"""Takes back a credential by its username, whichever of the vendors' requests made it."""

from relay.api.relay import Relay
from relay.calls.credentials import identified_leg_of
from relay.errors import CallError


def revoke(relay: Relay, username: str) -> None:
    """End what a credential holds, for good.

    Raises: CallError `unknown_credential`. Nothing else.
    """
    if leg := identified_leg_of(username):
        relay.end_party(*leg)
        return
    detail = "Send a username as it stands in an answer of these requests."
    raise CallError("unknown_credential", detail)
