"""Logging fails closed: whatever looks like an address does not leave."""

import json
import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.logs import Formatter, looks_like_address, own_hosts, trace

OWN = own_hosts(["udp://192.0.2.1:3478", "udp://[2001:db8::1]:3478"])


def rendered(message: object, *arguments: object, as_json: bool = False, **extra: object) -> str:
    """One record's line."""
    record = logging.makeLogRecord(
        {"msg": message, "args": arguments, "name": "relay.x", "levelname": "INFO", **extra}
    )
    return Formatter(as_json=as_json, own=OWN).format(record)


def test_an_event_with_counts_is_a_line() -> None:
    line = rendered("call_ended", legs=2, reason="expired")
    assert line.endswith("Z info relay.x call_ended legs=2 reason=expired")
    document = json.loads(rendered("call_ended", as_json=True, legs=2))
    assert (document["event"], document["legs"], document["logger"]) == ("call_ended", 2, "relay.x")


ADDRESSES = [
    "198.51.100.77",
    "198.51.100.77:5000",
    "('198.51.100.77', 5000)",
    "from198.51.100.77to",
    "udp://198.51.100.77",
    "2001:db8::77",
    "[2001:db8::77]:5000",
    "2001:DB8:0:0:0:0:0:77",
    "fe80::1%eth0",
    "::ffff:198.51.100.77",
    "::ffff:c633:644d",
    "peer:2001:db8::77",
    "02:42:ac:11:00:02",
]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_anywhere_leaves_the_event_alone(address: str, as_json: bool) -> None:
    for line in (
        rendered("peer %s left", address, as_json=as_json),
        rendered("peer_left", as_json=as_json, peer=address),
        rendered("peer_left", as_json=as_json, counts={"of": [address]}),
        rendered(f"peer {address} left", as_json=as_json),
        rendered(ValueError(address), as_json=as_json),
    ):
        assert "redacted" in line
        assert address not in line
        assert "77" not in line.partition("info")[2]


def test_the_operators_own_listeners_may_be_shown() -> None:
    for text in ("192.0.2.1:3478", "192.0.2.1", "[2001:db8::1]:3478", "udp://192.0.2.1:9"):
        assert rendered("listening %s", text).endswith(f"listening {text}")
    assert "redacted" in rendered("listening %s", "192.0.2.11")
    for more in ("192.0.2.1 198.51.100.77", "192.0.2.1:198.51.100.77", "192.0.2.1:9:198.51.100.77"):
        assert "redacted" in rendered("listening %s", more)


@pytest.mark.parametrize("text", ["12:34:56", "3.11.7", "a::b_c"[:1], "1.5 s", "relay.x:33", "1:2"])
def test_times_and_versions_are_no_addresses(text: str) -> None:
    assert not looks_like_address(text)


@given(st.ip_addresses(), st.text(max_size=5), st.text(max_size=5))
def test_every_address_looks_like_one(address: object, before: str, after: str) -> None:
    text = str(address)
    if text in ("::", "::1"):
        return
    assert looks_like_address(text)
    assert looks_like_address(f"{before} {text} {after}")


def test_a_bad_log_call_says_its_event_and_nothing_else() -> None:
    line = rendered("count %d", "198.51.100.77")
    assert line.endswith("count %d redacted")

    class Explosive:
        def __str__(self) -> str:
            raise RuntimeError("198.51.100.77")

    assert rendered("count %s", Explosive()).endswith("count %s redacted")
    assert rendered("counts", value=Explosive()).endswith("counts redacted")


def fail() -> None:
    address = ("198.51.100.77", 5000)
    try:
        raise OSError(101, f"Network is unreachable {address}")
    except OSError as error:
        raise ValueError(f"cannot send to {address}") from error


def test_a_traceback_has_places_and_types_but_no_messages() -> None:
    with pytest.raises(ValueError, match="cannot send") as raised:
        fail()
    told = trace(raised.value)
    assert "198.51" not in told
    assert "OSError ENETUNREACH" in told
    assert told.endswith("ValueError")
    assert f"{__file__}:" in told
    line = rendered("send_failed", exc_info=(ValueError, raised.value, None))
    assert "send_failed\n" in line
    assert "redacted" not in line


SCRIPT = """
import asyncio, logging, sys, threading
from relay import logs
logs.configure("debug", own=["udp://192.0.2.1:3478"])
logging.getLogger("relay.x").info("ready on %s", "192.0.2.1:3478")
logging.getLogger("uvicorn.access").critical("198.51.100.77:5 - GET /")
logging.getLogger("uvicorn.error").info("hello 198.51.100.77")
logging.getLogger("other").warning("%d", "198.51.100.77")
def fail():
    raise RuntimeError("198.51.100.77")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
class Late:
    def __del__(self):
        fail()
Late()
async def forget():
    asyncio.get_running_loop().call_soon(fail)
    await asyncio.sleep(0)
asyncio.run(forget())
fail()
"""


def test_nothing_of_a_process_prints_an_address() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert "198.51" not in said
    assert said.count("RuntimeError") >= 4
    assert "ready on 192.0.2.1:3478" in said
    assert "uvicorn" not in said
    assert "Traceback" not in said
