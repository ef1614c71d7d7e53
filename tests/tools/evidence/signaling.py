"""The signaling server of the calls that are placed: it passes descriptions on.

Rules: what a party is given is kept, since the party could see it.
"""

import json
from pathlib import Path

from tests.kit.daemon import Config
from tests.lab.party import Party
from tests.lab.relay import Relay
from tests.tools.evidence.scenarios import CALLEE, CALLER, Scenario


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
        """What a party's client is started with: as the relay says, or for every candidate."""
        given: Config = self._call["parties"][party]["rtc_configuration"]
        if not self._scenario.gathers_all:
            return given
        (turn,) = given["iceServers"]
        stun = [url.replace("turn:", "stun:").partition("?")[0] for url in turn["urls"]]
        return {"iceServers": [turn, {"urls": stun}], "iceTransportPolicy": "all"}

    def ring(self, caller: Party, callee: Party) -> None:
        """Bring the caller's offer to the callee."""
        sdp = caller.ask("offer")["sdp"]
        callee.ask("ring", sdp=self._passed_on(CALLER, CALLEE, sdp))

    def accept(self, callee: Party) -> None:
        """The callee picks up: it may have the candidates that were held until now."""
        accepted = self._relay.accept_call(self._call)
        held = accepted["candidates"].get(CALLER, [])
        callee.ask("add_candidates", candidates=held)
        if held:
            self._given(CALLEE, "candidates", CALLER, held)

    def answer(self, callee: Party, caller: Party) -> None:
        """Bring the callee's answer to the caller."""
        sdp = callee.ask("answer")["sdp"]
        caller.ask("take_answer", sdp=self._passed_on(CALLEE, CALLER, sdp))

    def _passed_on(self, author: str, to: str, sdp: str) -> str:
        """A description as the other side gets it."""
        (self._directory / author / "description.sent.sdp").write_text(sdp)
        if self._scenario.is_rebuilt:
            sdp = self._relay.rebuild(self._call, author, sdp)["sdp"]
        self._given(to, "received", author, sdp)
        return sdp

    def _given(self, to: str, name: str, author: str, what: object) -> None:
        document = json.dumps({"from": author, "given": what})
        (self._directory / to / f"{name}.json").write_text(document)
