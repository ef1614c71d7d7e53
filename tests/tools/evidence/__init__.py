"""Calls placed with and without enhanced call privacy, and what each side could see of the other.

`python -m tests.tools.evidence` is `make audit`. Rules: where privacy is off the exposures must be
found, where it is on there must be none; a scenario that ends otherwise fails the run.
"""
