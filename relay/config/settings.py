"""The configuration as models: every key, its default, and what it accepts.

The description of a field ends the sentence "expected …" that a fault prints.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    SecretStr,
)

from relay.address import Transport
from relay.config.alternates import AlternateRelay, distinct
from relay.config.limits import LimitSettings
from relay.config.names import host_name
from relay.config.networks import AllowedPrivate, Balancers, DeniedPeers, ListedPeer
from relay.config.secrets import GeneratedSecret, resolve
from relay.config.section import Section
from relay.config.values import (
    ApiListen,
    Listen,
    PortRange,
    RelayAddress,
)

GENERATED_SECRET_BYTES = 32
"""As much as HMAC-SHA1 can use (RFC 2104 section 3 asks for at least 20)."""


class Peers(StrEnum):
    """Whom a leg may reach."""

    CALL = "call"
    RELAY = "relay"
    LISTED = "listed"
    ANY = "any"


def _word(kind: type[StrEnum]) -> BeforeValidator:
    """Accept the words of an enumeration as text; strict mode alone would demand its members."""
    return BeforeValidator(lambda value: kind(value) if isinstance(value, str) else value)


def _realm(text: str) -> str:
    """Accept 1 to 127 printable characters: RFC 8489 section 14.9."""
    if not 1 <= len(text) <= 127 or not text.isprintable() or set(text) & set('"\\'):
        raise ValueError
    return text


def _interface(text: str) -> str:
    """Accept what the kernel takes as the name of an interface: 15 bytes, no slash, no space."""
    if re.fullmatch(r"[^\s/:]{1,15}", text) is None or not text.isprintable():
        raise ValueError
    return text


def _user(text: str) -> str:
    """Accept a name that may stand in the host's list of users, or nothing."""
    if re.fullmatch(r"[^\s:]{0,32}", text) is None or not text.isprintable():
        raise ValueError
    return text


_USERNAME_BYTES = 508  # RFC 8489 section 14.3: fewer than 509


def _usernames(users: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Accept names that clients can send."""
    if not all(1 <= len(name.encode(errors="replace")) <= _USERNAME_BYTES for name in users):
        raise ValueError(f"expected names of 1 to {_USERNAME_BYTES} bytes")
    return users


_FROM_LIST = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""Turns the lists of a document into tuples, which are immutable like the rest."""

Secret = Annotated[SecretStr, BeforeValidator(resolve)]
Token = Annotated[SecretStr, BeforeValidator(resolve), Field(min_length=16)]


_Listen = Annotated[InstanceOf[Listen], BeforeValidator(Listen.parse)]
_RelayAddress = Annotated[InstanceOf[RelayAddress], BeforeValidator(RelayAddress.parse)]
_ListedPeer = Annotated[InstanceOf[ListedPeer], BeforeValidator(ListedPeer.parse)]
_Alternate = Annotated[InstanceOf[AlternateRelay], BeforeValidator(AlternateRelay.parse)]
_HostName = Annotated[str, AfterValidator(host_name)]
_Interface = Annotated[str, AfterValidator(_interface)]


class RelaySettings(Section):
    """`relay`: relayed transport addresses, and whom a leg may reach."""

    addresses: Annotated[tuple[_RelayAddress, ...], _FROM_LIST] = Field(
        default=(RelayAddress.parse("127.0.0.1"),),
        min_length=1,
        max_length=2,
        description="a list of addresses, one per family",
    )
    ports: Annotated[InstanceOf[PortRange], BeforeValidator(PortRange.parse)] = PortRange(
        49152, 65535
    )
    names: Annotated[tuple[_HostName, ...], _FROM_LIST] = Field(
        default=(), max_length=2, description="a list of at most two host names, one per family"
    )
    peers: Annotated[Peers, _word(Peers)] = Field(
        default=Peers.CALL, description="call, relay, listed or any"
    )
    listed_peers: Annotated[tuple[_ListedPeer, ...], _FROM_LIST] = Field(
        default=(), max_length=256, description="a list of addresses with their ports"
    )
    allow_private: Annotated[InstanceOf[AllowedPrivate], BeforeValidator(AllowedPrivate.parse)] = (
        AllowedPrivate(())
    )
    denied_peers: Annotated[InstanceOf[DeniedPeers], BeforeValidator(DeniedPeers.parse)] = (
        DeniedPeers(default=True, networks=())
    )
    alternates: Annotated[tuple[_Alternate, ...], _FROM_LIST, AfterValidator(distinct)] = Field(
        default=(), max_length=6, description="a list of relays such as udp://198.51.100.7:3478"
    )


class PortsSettings(Section):
    """`ports`: where the parties of a call in ports mode may be."""

    denied: Annotated[InstanceOf[DeniedPeers], BeforeValidator(DeniedPeers.parse)] = DeniedPeers(
        default=True, networks=()
    )
    allow_private: Annotated[InstanceOf[AllowedPrivate], BeforeValidator(AllowedPrivate.parse)] = (
        AllowedPrivate(())
    )


class AuthSettings(Section):
    """`auth`: who may allocate."""

    secrets: Annotated[tuple[Secret, ...], _FROM_LIST] = Field(
        default=(), max_length=16, description="a list of secrets, each text, env:NAME or file:PATH"
    )
    users: Annotated[dict[str, Secret], AfterValidator(_usernames)] = Field(
        default={},
        max_length=4096,
        description="names with their passwords, each text, env:NAME or file:PATH",
    )
    revocation_s: int = Field(
        default=86_400, ge=1, le=2_592_000, description="a whole number from 1 to 2592000 (30 days)"
    )
    ttl_s: int = Field(
        default=3600, ge=1, le=2_592_000, description="a whole number from 1 to 2592000 (30 days)"
    )
    require_registered_call: bool = Field(default=False, description="true or false")


class PrivacySettings(Section):
    """`privacy`: which calls are relayed, and who is masked in them."""

    policy: Literal["asked", "always"] = Field(default="asked", description="asked or always")
    masking: Literal["both", "opted_in"] = Field(default="both", description="both or opted_in")
    mask_mapped_address: bool = Field(default=True, description="true or false")
    stun_binding: bool = Field(default=False, description="true or false")
    log_addresses: Literal["never", "keyed"] = Field(default="never", description="never or keyed")


class FastPathSettings(Section):
    """`fastpath`: forwarding in the kernel."""

    mode: Literal["auto", "off", "require"] = Field(
        default="auto", description="auto, off or require"
    )
    interfaces: Annotated[tuple[_Interface, ...], _FROM_LIST] = Field(
        default=(), max_length=64, description="a list of interface names"
    )
    lease_s: int = Field(default=30, ge=1, le=3600, description="a whole number from 1 to 3600")


class ApiSettings(Section):
    """`api`: where signaling servers reach the HTTP API, and with which tokens."""

    listen: Annotated[InstanceOf[ApiListen], BeforeValidator(ApiListen.parse)] = ApiListen(
        "127.0.0.1", 8080
    )
    tokens: Annotated[tuple[Token, ...], _FROM_LIST] = Field(
        default=(),
        max_length=64,
        description="a list of tokens of at least 16 characters, each text, env:NAME or file:PATH",
    )


class StateSettings(Section):
    """`state`: what survives a restart."""

    directory: str = Field(default="", description="a directory, or empty")


class FleetSettings(Section):
    """`fleet`: several relays as one."""

    redis: str = Field(default="", description="a redis:// address, or empty")
    node: str = Field(default="", description="a name, or empty")
    region: str = Field(default="", description="a name, or empty")


class TlsSettings(Section):
    """`tls`: the certificate of tls:// listeners."""

    certificate: str = Field(default="", description="a file name, or empty")
    key: str = Field(default="", description="a file name, or empty")


class DebugSettings(Section):
    """`debug`: switches that help to find a fault of callveil and weaken what it promises."""

    core_dumps: bool = Field(default=False, description="true or false")


class Settings(Section):
    """The whole configuration."""

    realm: Annotated[str, AfterValidator(_realm)] = Field(
        default="callveil", description="1 to 127 printable characters without quotes"
    )
    listen: Annotated[tuple[_Listen, ...], _FROM_LIST] = Field(
        default=(Listen.parse("udp://127.0.0.1:3478"),),
        min_length=1,
        max_length=64,
        description="a list of at least one listener such as udp://127.0.0.1:3478",
    )
    relay: RelaySettings = Field(default=RelaySettings(), description="a section")
    ports: PortsSettings = Field(default=PortsSettings(), description="a section")
    auth: AuthSettings = Field(default=AuthSettings(), description="a section")
    privacy: PrivacySettings = Field(default=PrivacySettings(), description="a section")
    limits: LimitSettings = Field(default=LimitSettings(), description="a section")
    fastpath: FastPathSettings = Field(default=FastPathSettings(), description="a section")
    api: ApiSettings = Field(default=ApiSettings(), description="a section")
    state: StateSettings = Field(default=StateSettings(), description="a section")
    fleet: FleetSettings = Field(default=FleetSettings(), description="a section")
    tls: TlsSettings = Field(default=TlsSettings(), description="a section")
    proxy_protocol: Annotated[InstanceOf[Balancers], BeforeValidator(Balancers.parse)] = Balancers(
        ()
    )
    user: Annotated[str, AfterValidator(_user)] = Field(
        default="", description="the name of a user, or empty"
    )
    debug: DebugSettings = Field(default=DebugSettings(), description="a section")

    @property
    def mints_alone(self) -> bool:
        """Whether nobody but this relay can make credentials from its secrets."""
        return all(isinstance(secret, GeneratedSecret) for secret in self.auth.secrets)

    @property
    def uses_tls(self) -> bool:
        """Whether a listener needs the certificate."""
        return any(listen.transport is Transport.TLS for listen in self.listen)

    def with_secret(self, entropy: Callable[[int], bytes]) -> Self:
        """Return these settings, with a generated secret where the operator gave none.

        Args:
            entropy: gives so many random bytes, as `os.urandom` does.
        """
        if self.auth.secrets:
            return self
        generated = GeneratedSecret(entropy(GENERATED_SECRET_BYTES).hex())
        auth = self.auth.model_copy(update={"secrets": (generated,)})
        return self.model_copy(update={"auth": auth})
