"""What the laboratory needs of the machine: root that may make networks, a few Debian packages.

Under CI, and where `.ci/run` says so, nothing may be skipped: what is missing is a failure there.
"""

import os
import shutil
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.kit import namespaces

PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "tcpdump": "tcpdump",
    "ethtool": "ethtool",
    "turnutils_uclient": "coturn",
}


def missing(packages_of: Mapping[str, str] = PACKAGES) -> str:
    """What to do before the laboratory can be built; empty if it can be.

    Args:
        packages_of: each tool that is needed, and the package that has it.
    """
    packages = sorted({package for tool, package in packages_of.items() if not shutil.which(tool)})
    needs = ["run as root"] if os.geteuid() != 0 else []
    if packages:
        needs.append(f"apt-get install {' '.join(packages)}")
    if not needs and not Path("/proc/sys/net/ipv6").exists():
        needs.append("boot without ipv6.disable=1")
    if not needs and not _may_make_networks():
        needs.append("run with CAP_SYS_ADMIN and CAP_NET_ADMIN, which a container may lack")
    return " and ".join(needs)


@cache
def _may_make_networks() -> bool:
    """Whether it works: what root may do in a container has many switches."""
    try:
        with namespaces.host("attempt"):
            return True
    except OSError:
        return False


def require(packages_of: Mapping[str, str] = PACKAGES) -> None:
    """Skip, or fail under CI, the test whose laboratory cannot be built here."""
    insist("network namespaces", missing(packages_of))


def require_ipv6() -> None:
    """Skip, or fail under CI, a test on a loopback interface without IPv6."""
    insist("IPv6", "" if _has_ipv6() else "sysctl net.ipv6.conf.lo.disable_ipv6=0, or run as root")


def insist(what: str, needs: str) -> None:
    """Skip, or fail under CI, a test that needs something; empty if it is there."""
    if needs and {"CI", "CALLVEIL_TEST_NO_SKIPS"} & set(os.environ):
        pytest.fail(f"{what}: {needs}", pytrace=False)
    if needs:
        pytest.skip(f"{what}: {needs}")


@cache
def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True
