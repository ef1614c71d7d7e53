"""Keys and names made from usernames and secrets.

Deviates: OpaqueString (RFC 8265) is not applied: the passwords of this relay are base64, which it
leaves as they are; whoever brings another password brings it processed.
"""

import base64
import hashlib
import hmac


def long_term_key(username: str, realm: str, password: str) -> bytes:
    """The MD5 key of the long-term mechanism. Spec: RFC 8489 sections 9.2.2 and 18.5.1.1."""
    text = f"{username}:{realm}:{password}".encode()
    return hashlib.md5(text, usedforsecurity=False).digest()  # what the protocol says


def long_term_key_sha256(username: str, realm: str, password: str) -> bytes:
    """The SHA-256 key of the long-term mechanism. Spec: RFC 8489 section 18.5.1.2."""
    return hashlib.sha256(f"{username}:{realm}:{password}".encode()).digest()


def userhash(username: str, realm: str) -> bytes:
    """Build the value of USERHASH, which stands for USERNAME. Spec: RFC 8489 section 14.4."""
    return hashlib.sha256(f"{username}:{realm}".encode()).digest()


def rest_password(secret: str | bytes, username: str) -> str:
    """The password that goes with a username in TURN REST credentials.

    Args:
        secret: shared by the relay and the signaling server, as text (UTF-8) or bytes.
        username: `<unix expiry>:<anything>`.
    Spec: draft-uberti-behave-turn-rest-00 section 2.2.
    """
    key = secret.encode() if isinstance(secret, str) else secret
    mac = hmac.digest(key, username.encode(), "sha1")
    return base64.b64encode(mac).decode()
