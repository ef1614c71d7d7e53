"""What a party is given to use its leg."""

import base64
import hashlib
import hmac

from relay.calls import credentials


def test_the_password_is_the_base64_hmac_sha1_of_the_username() -> None:
    minted = credentials.mint("north", "cv_abc", "leg", 1_700_000_000)
    mac = hmac.new(b"north", b"1700000000:cv_abc:leg", hashlib.sha1).digest()
    assert minted == ("1700000000:cv_abc:leg", base64.b64encode(mac).decode())


def test_another_secret_gives_another_password_for_the_same_username() -> None:
    north, south = (credentials.mint(each, "cv_abc", "leg", 1) for each in ("north", "south"))
    assert north.username == south.username
    assert north.password != south.password
