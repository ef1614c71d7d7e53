"""What the configuration means for the server."""

import os
from collections.abc import Callable

from relay.calls.rules import Alternate, Masking, Policy, Rules
from relay.config import Settings
from relay.forward.user.sockets import can_set_df
from relay.ice.settings import PortSettings
from relay.server import ServerSettings
from relay.special_use import Denied
from relay.turn.settings import TurnSettings, port_of_nobody

_ALLOCATIONS_MAX = 1_000_000  # some 4 GiB: a bound, for a relay that never runs into it


def server_settings_of(settings: Settings, is_this_host: Callable[[bytes], bool]) -> ServerSettings:
    """What the server is told once, at start.

    Args:
        is_this_host: whether a packed IP address is one of this host's, now.
    """
    turn = _turn_settings_of(settings, os.urandom(32), is_this_host)
    return ServerSettings(turn, _port_settings_of(settings, os.urandom(32), is_this_host))


def rules_of(settings: Settings) -> Rules:
    """What the operator decided about calls."""
    limits, privacy = settings.limits, settings.privacy
    return Rules(
        policy=Policy(privacy.policy),
        masking=Masking(privacy.masking),
        require_registered_call=settings.auth.require_registered_call,
        legs_per_call=limits.legs_per_call,
        bitrate_bps=limits.bitrate_bps,
        packets_per_s=limits.packets_per_s,
        call_duration_s=limits.call_duration_s,
        credential_ttl_s=settings.auth.ttl_s,
        alternates=tuple(
            Alternate(each.transport, each.address, each.name) for each in settings.relay.alternates
        ),
        revocation_s=settings.auth.revocation_s,
    )


def users_of(settings: Settings) -> dict[str, str]:
    """The passwords of static users, by their names."""
    users = settings.auth.users
    return {name: password.get_secret_value() for name, password in users.items()}


def _turn_settings_of(
    settings: Settings, nonce_key: bytes, is_this_host: Callable[[bytes], bool]
) -> TurnSettings:
    ports = range(settings.relay.ports.low, settings.relay.ports.high + 1)
    denied, allowed = settings.relay.denied_peers, settings.relay.allow_private.networks
    return TurnSettings(
        realm=settings.realm,
        secrets=tuple(secret.get_secret_value() for secret in settings.auth.secrets),
        relayed_ips=tuple(address.public.packed for address in settings.relay.addresses),
        local_ips=tuple(address.local.packed for address in settings.relay.addresses),
        ports=ports,
        masked_port=port_of_nobody(ports, {each.address.port for each in settings.listen}),
        peers=settings.relay.peers.value,
        listed_peers=tuple(each.listed for each in settings.relay.listed_peers),
        denied_peers=Denied(denied.default, denied.networks, allowed),
        allow_private=allowed,
        is_this_host=is_this_host,
        own_ports=_listening_ports(settings),
        users=users_of(settings),
        mints_alone=settings.mints_alone,
        sets_df=can_set_df(),
        mask_mapped_address=settings.privacy.mask_mapped_address,
        stun_binding=settings.privacy.stun_binding,
        allocations_per_leg=settings.limits.allocations_per_leg,
        allocations_per_user=settings.limits.allocations_per_user,
        allocations=_ALLOCATIONS_MAX,
        unauthenticated_per_s=settings.limits.unauthenticated_per_s,
        nonce_key=nonce_key,
    )


def _port_settings_of(
    settings: Settings, rate_key: bytes, is_this_host: Callable[[bytes], bool]
) -> PortSettings:
    denied = settings.ports.denied
    return PortSettings(
        addresses=tuple((address.public, address.local) for address in settings.relay.addresses),
        mask_mapped_address=settings.privacy.mask_mapped_address,
        unauthenticated_per_s=settings.limits.unauthenticated_per_s,
        rate_key=rate_key,
        denied=Denied(denied.default, denied.networks, settings.ports.allow_private.networks),
        is_this_host=is_this_host,
        own_ports=_listening_ports(settings),
    )


def _listening_ports(settings: Settings) -> frozenset[int]:
    """What the relay listens on; where it is on loopback, nobody else is there."""
    return frozenset({each.address.port for each in settings.listen} | {settings.api.listen.port})
