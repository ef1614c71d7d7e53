"""The demo: a small signaling server (`signaling/`) and the page that it serves (`page/`).

`python -m examples` runs it beside a relay, as `make run` does. `node/` is no part of it:
it is the integration in Node, to copy from.
"""
