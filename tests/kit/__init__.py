"""What tests, benchmarks and `make audit` have in common: one of everything that they all need.

`turn` is a TURN client without sockets on the codec `wire`; `sockets` and `datagrams` carry what it
says. `program` and `daemon` run things and `api` asks them, in `namespaces` where there are any;
`frames` are packets written by hand.

Rules: the codec, the client and the frames take nothing but addresses from `relay`, which must not
be checked with itself; what benchmarks use needs no package that only tests have.
"""
