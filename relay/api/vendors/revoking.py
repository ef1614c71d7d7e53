"""Takes back a credential by its username, whichever of the vendors' requests made it."""

import math

from relay.api.relay import Relay
from relay.calls.credentials import identified_leg_of, minted_user_of
from relay.errors import CallError

_LONGEST_S = 2_592_000  # 30 days, the longest that a credential of the relay's own may last


def revoke(relay: Relay, username: str) -> None:
    """End what a credential holds, and have it be good for nothing until it has expired.

    Raises: CallError `unknown_credential`, or `no_users` where it is a user's and there are none.
        Nothing else.
    """
    if leg := identified_leg_of(username):
        relay.end_party(*leg)
    elif user := minted_user_of(username):
        name, expiry = user
        left_s = math.ceil(expiry - relay.now().wall)
        if left_s > 0:  # else it is good for nothing, and 0 would let the user in again
            relay.revoke_user(name, min(left_s, _LONGEST_S))
    else:
        detail = "Send a username as it stands in an answer of these requests."
        raise CallError("unknown_credential", detail)
