"""Credentials in the shapes of other vendors' services, for programs that already speak these.

Rules of this package: an identifier in a request names a call, which is closed whatever
`relay.peers` is, and each answer is a credential of another leg of it. No identifier stands in an
answer or in a username: a keyed hash of it does. What a vendor's clients send beyond what is read
here is ignored, and every fault has that vendor's form.
"""
