"""Forwarding in the kernel, by an eBPF program at the ingress of the relay's interfaces.

fastpath.bpf.c is the program, layout.h what it shares with the daemon; compile.py builds it when
callveil is installed. `FastPath` is the daemon's side, and `AbsentPath` where there is none.
"""

from relay.forward.kernel.absent import AbsentPath
from relay.forward.kernel.legs import LegCounts
from relay.forward.kernel.path import FastPath

KernelPath = FastPath | AbsentPath

__all__ = ["AbsentPath", "FastPath", "KernelPath", "LegCounts"]
