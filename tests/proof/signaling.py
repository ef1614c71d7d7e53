"""The signaling server of the calls that are placed: it passes descriptions on.

Rules: what a party is given is kept, since the party could see it.
"""

import json
from pathlib import Path

from tests.lab.party import Party
from tests.lab.relay import Config, Relay
from tests.proof.scenarios import CALLEE, CALLER, Scenario


class Signaling:
    """Passes the descriptions of one call on, and writes down what each party wrote and was given.

    Args:
        directory: with a directory of each party in it.
    """

    def __init__(self, relay: Relay, call: Config, scenario: Scenario, directory: Path) -> None:
        self._relay = relay
        self._call = call
        self._scenario = scenario
        self._directory = directory

    def configuration(self, party: str) -> Config:
        """What a party's client is started with.

        A call without privacy has a STUN server, as applications that call directly do. So has the
        control, whose clients gather every candidate there is.
        """
        given: Config = self._call["parties"][party]["rtc_configuration"]
        if self._scenario.asked and self._scenario.is_rebuilt:
            return given
        (turn,) = given["iceServers"]
        stun = [url.replace("turn:", "stun:").partition("?")[0] for url in turn["urls"]]
        return {"iceServers": [turn, {"urls": stun}], "iceTransportPolicy": "all"}

    def offer(self, caller: Party) -> str:
        """The caller's offer as the callee gets it."""
        return self._passed_on(CALLER, CALLEE, caller.ask("offer")["sdp"])

    def answer(self, callee: Party, offer: str) -> str:
        """The callee's answer as the caller gets it."""
        return self._passed_on(CALLEE, CALLER, callee.ask("answer", sdp=offer)["sdp"])

    def _passed_on(self, author: str, to: str, sdp: str) -> str:
        (self._directory / author / "description.sent.sdp").write_text(sdp)
        given = self._made_safe(sdp) if self._scenario.is_rebuilt else sdp
        document = json.dumps({"from": author, "sdp": given})
        (self._directory / to / "received.json").write_text(document)
        return given

    def _made_safe(self, sdp: str) -> str:
        """A description that the other side may get; without privacy, it is what it was.

        Clients of relayed calls are told to gather relay candidates only, so that theirs are.
        """
        return sdp
