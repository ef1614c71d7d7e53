"""A client of XMPP that asks for external services (XEP-0215), and does nothing else."""

import base64
import re
import socket
import xml.etree.ElementTree as ET  # what the server says is the test's own server's
from types import TracebackType
from typing import Self

from tests.kit.polling import PATIENCE_S

_STREAM = (
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    "to='{domain}' version='1.0'>"
)
_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
_BIND = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"


class XmppClient:
    """One stream of somebody without an account.

    Args:
        domain: of the server.
        at: where it listens.
    """

    def __init__(self, domain: str, at: tuple[str, int]) -> None:
        self._sock = socket.create_connection(at, PATIENCE_S)
        self._received = ""
        self._open(domain)
        self._say(f"<auth xmlns='{_SASL}' mechanism='ANONYMOUS'>{base64.b64encode(b'x').decode()}")
        self._say("</auth>")
        self._until(r"<success[^>]*/>")
        self._open(domain)
        self._say(_BIND)
        self._until(r"<iq[^>]*id='bind'.*?</iq>")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sock.close()

    def services(self, query: str) -> list[dict[str, str]]:
        """Ask as a recipe shows it. Returns: the attributes of each service."""
        self._say(query)
        (number,) = re.findall(r'id="(\w+)"', query)
        answer = self._until(rf"<iq[^>]*id='{number}'[^>]*>.*?</iq>")
        return [dict(each.attrib) for each in ET.fromstring(answer).iter() if "host" in each.attrib]  # noqa: S314

    def _open(self, domain: str) -> None:
        self._received = ""
        self._say(_STREAM.format(domain=domain))
        self._until(r"</stream:features>")

    def _say(self, text: str) -> None:
        self._sock.sendall(text.encode())

    def _until(self, pattern: str) -> str:
        """Read until something has come. Returns: it."""
        while not (match := re.search(pattern, self._received, re.DOTALL)):
            data = self._sock.recv(65536)
            assert data, f"the stream ended after {self._received!r}"
            self._received += data.decode()
        self._received = self._received[match.end() :]
        return match[0]
