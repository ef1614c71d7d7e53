"""A signaling server that uses callveil as any would: over its HTTP API.

`python -m examples.signaling` runs it; `make run` runs it beside a relay.
It is an example. People sign in with a name and no password, and all is forgotten when it ends.
"""
