"""Bodies in the shapes of other vendors: TURN REST, Cloudflare's and Twilio's.

Rules of this file: names and types are those that the vendors' clients read, and what a client
sends beyond what stands here is ignored.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from relay.api.schemas.base import CamelCase, ResponseBody

_URLS = ["turn:relay.example.org:3478?transport=udp", "turns:relay.example.org:443?transport=tcp"]
_STUN = "stun:relay.example.org:3478"
_USERNAME = "1767225600:ci_a2V5ZWQgaGFzaCBvZiBpdA:bGVnIG9mIHRoZSBjYWxsISE"
_PASSWORD = "aGVyZSBnb2VzIHRoZSBNQUMhISE="  # noqa: S105  opens nothing
_SERVER: JsonDict = {"username": _USERNAME, "credential": _PASSWORD}


class TurnRestCredential(ResponseBody):
    """A credential as TURN REST servers answer it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "username": _USERNAME,
                "password": _PASSWORD,
                "ttl": 3600,
                "uris": [*_URLS],
            }
        }
    )

    username: str
    password: str
    ttl: int
    """For how many seconds the credential may start allocations."""
    uris: list[str]
    """Where the relay is. IPv6 addresses stand last, since Janus cannot read them."""


class CloudflareCredentialCreate(BaseModel):
    """What a Cloudflare credential is asked for with."""

    model_config = ConfigDict(
        strict=True,
        use_attribute_docstrings=True,
        alias_generator=to_camel,
        json_schema_extra={"example": {"ttl": 86400, "customIdentifier": "weekly-meeting"}},
    )

    ttl: int | None = None
    """For how many seconds the credential may start allocations. Default: `auth.ttl_s`."""
    custom_identifier: str | None = None
    """Names the call: credentials that you ask for with the same identifier are of one call."""


class CloudflareIceServer(CamelCase):
    """`RTCIceServer` of the W3C; one for STUN has no credential."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class CloudflareIceServers(CamelCase):
    """The answer of `generate-ice-servers`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "iceServers": [{"urls": [_STUN]}, {"urls": [*_URLS], **_SERVER}],
                "iceTransportPolicy": "relay",
            }
        }
    )

    ice_servers: list[CloudflareIceServer]
    """A list that begins with a server for STUN."""
    ice_transport_policy: Literal["relay"] | None = None
    """`relay` if the credential is of a call: parties that pass this answer on to the WebRTC stack
    as it is use nothing but the relay. Absent otherwise."""


class CloudflareIceServerCreated(CamelCase):
    """The answer of the older `generate`, in which `iceServers` is one object."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "iceServers": {"urls": [_STUN, *_URLS], **_SERVER},
                "iceTransportPolicy": "relay",
            }
        }
    )

    ice_servers: CloudflareIceServer
    """One server; its first URL is for STUN."""
    ice_transport_policy: Literal["relay"] | None = None
    """`relay` if the credential is of a call, and absent otherwise."""


class CloudflareError(ResponseBody):
    """One fault."""

    code: int
    """The status of the HTTP response."""
    message: str
    """What is wrong with the request and what is expected. It never repeats what you sent."""


class CloudflareFault(ResponseBody):
    """Why the relay did not do what was asked, as Cloudflare says it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "success": False,
                "errors": [
                    {
                        "code": 401,
                        "message": (
                            "The request has no valid API token. Send Authorization: Bearer and "
                            "one of the tokens in api.tokens."
                        ),
                    }
                ],
                "messages": [],
            }
        }
    )

    success: Literal[False] = False
    errors: list[CloudflareError]
    messages: list[str] = Field(default=[])


class TwilioIceServer(ResponseBody):
    """`RTCIceServer` of the W3C, with `url` beside `urls`; one for STUN has no credential."""

    url: str
    urls: str
    username: str | None = None
    credential: str | None = None


class TwilioCredential(ResponseBody):
    """The answer of `Tokens.json`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "username": _USERNAME,
                "password": _PASSWORD,
                "ttl": "3600",
                "account_sid": "AC0123456789abcdef0123456789abcdef",
                "ice_servers": [
                    {"url": _STUN, "urls": _STUN},
                    {"url": _URLS[0], "urls": _URLS[0], **_SERVER},
                ],
                "date_created": "Thu, 01 Jan 2026 00:00:00 +0000",
                "date_updated": "Thu, 01 Jan 2026 00:00:00 +0000",
            }
        }
    )

    username: str
    password: str
    ttl: str
    """For how many seconds the credential may start allocations: digits."""
    account_sid: str = Field(title="SID")
    """As it stands in the path."""
    ice_servers: list[TwilioIceServer]
    """A list that begins with a server for STUN."""
    date_created: str
    """UTC, RFC 2822."""
    date_updated: str


class TwilioFault(ResponseBody):
    """Why the relay did not do what was asked, as Twilio says it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "code": 20003,
                "message": (
                    "The request has no valid API token. Send one of the tokens in api.tokens as "
                    "the password of basic authentication."
                ),
                "more_info": "urn:callveil:problem:unauthenticated",
                "status": 401,
            }
        }
    )

    code: int
    """Twilio's number of the fault where it has one, else the status."""
    message: str
    """What is wrong with the request and what is expected. It never repeats what you sent."""
    more_info: str
    """`urn:callveil:problem:` and a word of a closed list, which `docs/api.md` shows."""
    status: int
    """The status of the HTTP response."""
