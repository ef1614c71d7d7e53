"""What tests, benchmarks and `make audit` have in common: one of everything that they all need.

Rules: no module but `requirements` needs pytest, since benchmarks run without it; the codec and the
TURN client are written from the RFCs and not from `relay`.
"""
