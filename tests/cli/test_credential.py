"""`callveil credential`: what a signaling server with the secret would make."""

import base64
import hashlib
import hmac
import json
import time

from tests.kit.command import callveil

SECRET = {"CALLVEIL__AUTH__SECRETS": '["first-secret-0123456789", "second"]'}


def test_the_password_is_the_hmac_of_the_username_under_the_first_secret() -> None:
    done = callveil("credential", "--call", "c", "--leg", "l", env=SECRET)
    assert done.code == 0
    (_, username), (_, password) = (line.split(" ") for line in done.out.splitlines())
    mac = hmac.new(b"first-secret-0123456789", username.encode(), hashlib.sha1).digest()
    assert password == base64.b64encode(mac).decode()
    expiry, call, leg = username.split(":")
    assert (call, leg) == ("c", "l")
    assert int(expiry) > time.time() + 3000


def test_ttl_and_json() -> None:
    arguments = ["credential", "--call", "c", "--leg", "l", "--ttl", "60", "--json"]
    document = json.loads(callveil(*arguments, env=SECRET).out)
    assert set(document) == {"username", "password", "ttl_s"}
    assert document["ttl_s"] == 60
    assert int(document["username"].split(":")[0]) <= time.time() + 60


def test_a_username_fits_into_its_attribute() -> None:
    done = callveil("credential", "--call", "c" * 300, "--leg", "l" * 300, env=SECRET)
    assert done.code == 2
    assert "over 508 bytes" in done.err
