"""Janus on the media server's host, with its echo test, and a WebRTC client that calls it."""

import itertools
import json
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S, wait_until
from tests.kit.program import Program
from tests.lab.party import Party
from tests.lab.topology import Lab
from tests.signaling.stage import MEDIA_SERVER, media_server

_API = f"http://{MEDIA_SERVER}:8088/janus"
_LIBRARY = Path("/usr/lib/x86_64-linux-gnu/janus")
_AROUND = """\
general: {{
  configs_folder = "{home}"
  plugins_folder = "{library}/plugins"
  transports_folder = "{library}/transports"
  events_folder = "{home}"
  loggers_folder = "{home}"
  recordings_tmp_ext = "tmp"
}}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
{recipe}
"""


@contextmanager
def running(home: Path, recipe: str) -> Iterator[None]:
    """Janus for one `with` block, configured with these sections beside the usual ones."""
    disabled = {
        kind: ",".join(
            each.name for each in (_LIBRARY / kind).glob("*.so") if wanted not in each.name
        )
        for kind, wanted in (("plugins", "echotest"), ("transports", "http"))
    }
    config = _AROUND.format(home=home, library=_LIBRARY, recipe=recipe, **disabled)
    (home / "janus.jcfg").write_text(config)
    (home / "janus.transport.http.jcfg").write_text(
        f'general: {{ json = "compact", http = true, port = 8088, ip = "{MEDIA_SERVER}" }}\n'
    )
    wait_until(_is_linked, "the media server's link is up, or Janus takes it for none")
    command = ["janus", "-F", str(home), "-C", str(home / "janus.jcfg"), "-o"]
    with Program(media_server().command(command), home / "janus.log") as program:
        wait_until(lambda: not program.is_running or _is_there(), "Janus answers")
        assert program.is_running, program.log_text()[-4000:]
        yield


def _is_linked() -> bool:
    return "state UP" in media_server().run(["ip", "link", "show", "up"]).stdout


def _is_there() -> bool:
    try:
        return bool(_ask("/info"))
    except OSError:
        return False


def _ask(path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{_API}{path}", data, PATIENCE_S) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
        return found


class Handle:
    """One handle of the echo test.

    Args:
        opaque_id: what the client that attaches calls it.
    """

    def __init__(self, opaque_id: str) -> None:
        numbers = itertools.count()
        self._transactions = (str(number) for number in numbers)
        self._session = f"/{self._post('', janus='create')['data']['id']}"
        attached = self._post(
            self._session, janus="attach", plugin="janus.plugin.echotest", opaque_id=opaque_id
        )
        self._path = f"{self._session}/{attached['data']['id']}"

    def answer(self, offer: str) -> str:
        """Its answer to an offer, with every candidate inside."""
        body = {"audio": True, "video": True}
        self._post(self._path, janus="message", body=body, jsep={"type": "offer", "sdp": offer})
        while "jsep" not in (event := _ask(self._session)):
            pass
        return str(event["jsep"]["sdp"])

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        return _ask(path, {**body, "transaction": next(self._transactions)})


class _Here:
    """Starts a party on this host, in place of a laboratory."""

    def popen(
        self, _: Namespace, command: Sequence[str], **options: Any
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(command, text=True, **options)


@contextmanager
def client(configuration: dict[str, Any]) -> Iterator[Party]:
    """A WebRTC client with this `RTCConfiguration`, for one `with` block."""
    party = Party(cast(Lab, _Here()), Namespace("recipes"))
    try:
        party.ask("open", configuration=configuration)
        yield party
    finally:
        party.end()


def hear_the_echo(party: Party, opaque_id: str) -> tuple[str, str]:
    """Have Janus answer the client's offer, until it sees its own media. Returns: both."""
    offer = party.ask("offer")["sdp"]
    answer = Handle(opaque_id).answer(offer)
    party.ask("take_answer", sdp=answer)
    wait_until(lambda: party.has_seen(audio=50, video=50), "the echo is seen")
    return offer, answer
