"""`make interop`: real clients call through the relay, over every transport, family and `peers`.

    python -m tests.tools.interop --client firefox --transport tls

Rules: a cell is one call in the laboratory, through a relay that listens on nothing else, so that
what is named is what is used. A cell is never skipped: it works, it fails, or its client cannot do
it, and then the cell is placed all the same and has to fail in the way that shows so.
"""
