"""The quick cells of `make interop`: each transport, family and `peers` once, with real clients."""

from collections.abc import Iterator

import pytest

from relay.tools.audit.packets import parse
from tests.kit.requirements import insist
from tests.lab.topology import CALLER, Lab
from tests.tools.interop import fragments, limits, needs
from tests.tools.interop.cells import ALL, QUICK, Cell
from tests.tools.interop.placing import SECRETS, Placed
from tests.tools.interop.stage import Stage
from tests.tools.interop.trying import place_again

_WORKING = Cell("chromium", "udp", "IPv4", "call")
_NUMERIC_TLS = Cell("firefox", "tls", "IPv4", "relay")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    insist("clients", needs.missing(QUICK))
    with Lab() as lab, Stage(lab, tmp_path_factory.mktemp("interop")) as made:
        yield made


@pytest.mark.parametrize("cell", QUICK, ids=lambda cell: cell.words.replace(" ", "-"))
def test_a_client_does_what_the_matrix_says(stage: Stage, cell: Cell) -> None:
    assert limits.faults_of(place_again(stage, cell)) == ""


def test_quick_cells_are_of_every_transport_family_and_peers() -> None:
    for facts in ("transport", "peers"):
        assert {getattr(cell, facts) for cell in QUICK} == {getattr(cell, facts) for cell in ALL}
    assert {cell.family for cell in QUICK} == {"IPv4", "IPv6"}


def test_every_limit_holds_somewhere_and_keeps_no_client_from_everything() -> None:
    assert all(any(limit.holds(cell) for cell in ALL) for limit in limits.LIMITS)
    able = {cell.client for cell in ALL if not limits.limits_of(cell)}
    assert able == {cell.client for cell in ALL}


@pytest.mark.parametrize(
    ("placed", "state"),
    [
        (Placed(_WORKING, allocations=2), limits.WORKS),
        (Placed(_WORKING, allocations=2, fault="nothing came"), limits.FAILS),
        (Placed(_WORKING, allocations=2, told=("caller",)), limits.FAILS),
        (Placed(_WORKING, allocations=1, elsewhere=1), limits.FAILS),
        (Placed(_WORKING), limits.FAILS),
        (Placed(_NUMERIC_TLS, fault="no candidate"), limits.CANNOT),
        (Placed(_NUMERIC_TLS, fault="late", sent={"caller": 3, "callee": 0}), limits.FAILS),
        (Placed(_NUMERIC_TLS, allocations=2), limits.FAILS),
    ],
)
def test_a_limit_excuses_what_it_names_and_nothing_else(placed: Placed, state: str) -> None:
    assert limits.state_of(placed) == state


def test_an_address_that_two_fragments_share_is_found() -> None:
    text = f"x{CALLER.public.v6}x".encode()
    frames = [_fragment(text[:8], 0, more=True), _fragment(text[8:], 8, more=False)]
    packets = [parse(frame) for frame in frames]
    assert fragments.hits(packets, SECRETS["caller"])
    assert not fragments.hits(packets, SECRETS["callee"])
    assert not fragments.hits(packets[:1], SECRETS["caller"])


def _fragment(data: bytes, offset: int, *, more: bool) -> bytes:
    """An Ethernet frame with an IPv6 fragment: RFC 8200 section 4.5."""
    head = bytes([17, 0]) + (offset | more).to_bytes(2, "big") + bytes(4)
    fixed = b"\x60\0\0\0" + (len(head) + len(data)).to_bytes(2, "big") + bytes([44, 64])
    return bytes(12) + b"\x86\xdd" + fixed + bytes(32) + head + data
