"""A laboratory of network namespaces: two parties behind NAT, a relay, and a sink for the rest.

Rules: every namespace carries the process id and start time of its owner in its name, so that two
runs never meet and only the leftovers of a dead run are swept; nothing outside of these namespaces
is configured; addresses are canaries, unlikely enough to be searched for in whatever was captured.
"""
