"""What parties write to each other: rebuilt for the signaling server, or held while it rings.

Rules of this file: it changes no route and no port, so that nothing is to be done afterwards.
"""

from relay.calls import signaling
from relay.calls.call import Call
from relay.clock import Now
from relay.questions import Questions
from relay.sdp import HeldCandidate, Rebuilt


class Descriptions(Questions):
    """The part of the server that rebuilds descriptions and candidates."""

    def describe(self, name: str, party: str, sdp: str, now: Now) -> Rebuilt:
        """Rebuild a party's description for the others; nothing is to be done for it.

        Raises: CallError `unknown_call`, `unknown_party`, `wrong_state`, `too_many`,
            `bad_description` or `plain_media`. Nothing else.
        """
        call = self._book.live(name, now)
        return signaling.describe(call, party, sdp, self.relayed_of(call), now.mono)

    def trickle(self, name: str, party: str, sent: HeldCandidate, now: Now) -> signaling.Trickled:
        """Rebuild a party's candidate for the others, or hold it while the call rings.

        Raises: CallError `unknown_call`, `unknown_party`, `wrong_state` or `too_many`. Nothing
            else.
        """
        call = self._book.live(name, now)
        return signaling.trickle(call, party, sent, self.relayed_of(call), now.mono)

    def release(self, call: Call) -> dict[str, signaling.Released]:
        """What parties sent while the call rang; then nothing is held any more."""
        return signaling.release(call)
