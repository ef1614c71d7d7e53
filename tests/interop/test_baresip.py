"""baresip, a SIP client with an ICE and TURN of its own (libre), from Debian's packages.

Its TURN client gives its allocation up at the first 403, so it needs descriptions that are rebuilt:
in one that is not, the other side's own candidates are there, and no leg reaches those.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.interop.sip_proxy import SipProxy
from tests.kit.daemon import Config
from tests.kit.namespaces import Namespace
from tests.kit.polling import wait_until
from tests.kit.requirements import require
from tests.kit.turn import credential_of
from tests.lab.relay import UDP_PORT, Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, SINK, Party

_PORT = 5060
_CONFIG = """
sip_listen {address}:5060
rtcp_mux yes
audio_source aubridge,nowhere
audio_player aubridge,nowhere
audio_alert aubridge,ring
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module dtls_srtp.so
module ice.so
module turn.so
module_app account.so
module_app menu.so
"""
_ACCOUNT = (
    "<sip:{user}@{proxy}>;regint=3600;answermode=auto;medianat={nat};mediaenc=dtls_srtp"
    ';stunserver="turn:{relay}:{port}";stunuser={username};stunpass={password}\n'
)


@pytest.fixture(autouse=True)
def installed() -> None:
    """Skip, or fail under CI, where baresip is not."""
    require({"baresip": "baresip-core"})


@contextmanager
def _phone(
    relay: Relay, call: Config, user: str, nat: str, home: Path, *more: str
) -> Iterator[None]:
    namespace, party = _places(relay)[user]
    home.mkdir()
    username, password = credential_of(call, user)
    (home / "config").write_text(_CONFIG.format(address=party.private.v4))
    (home / "contacts").touch()
    (home / "accounts").write_text(
        _ACCOUNT.format(
            user=user,
            proxy=SINK.v4,
            nat=nat,
            relay=RELAY.v4,
            port=UDP_PORT,
            username=username,
            password=password,
        )
    )
    command = ["baresip", "-f", str(home), "-v", *more]
    with relay.lab.program(namespace, command, home / "log"):
        yield


def _places(relay: Relay) -> dict[str, tuple[Namespace, Party]]:
    return {"caller": (relay.lab.caller, CALLER), "callee": (relay.lab.callee, CALLEE)}


@pytest.mark.parametrize("nat", ["ice", "turn"])
@pytest.mark.parametrize("relay", ["user", "kernel"], indirect=True)
def test_two_phones_talk_through_the_relay(relay: Relay, nat: str, tmp_path: Path) -> None:
    call = relay.create_call()

    def rebuild(user: str, sdp: str) -> str:
        return str(relay.rebuild(call, user, sdp)["sdp"])

    sock = relay.lab.sink.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((SINK.v4, _PORT))
    with ExitStack() as stack:
        proxy = stack.enter_context(SipProxy(sock, rebuild))
        stack.enter_context(_phone(relay, call, "callee", nat, tmp_path / "callee"))
        wait_until(lambda: proxy.registered == {"callee"}, "the callee has registered", 60)
        dial = ("-e", f"/dial sip:callee@{SINK.v4}")
        stack.enter_context(_phone(relay, call, "caller", nat, tmp_path / "caller", *dial))

        def both_talk() -> bool:
            parties = relay.statistics(call).values()
            return all(party["packets"] > 100 for party in parties)

        try:
            wait_until(both_talk, "both talk", 60)
        except TimeoutError as late:
            logs = [(tmp_path / user / "log").read_text() for user in ("caller", "callee")]
            raise AssertionError("\n".join(logs)) from late
