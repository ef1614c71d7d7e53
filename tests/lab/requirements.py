"""What the laboratory needs of the machine: root and a few Debian packages.

Under CI, and where `.ci/run` says so, nothing may be skipped: what is missing is a failure there.
"""

import os
import shutil
from collections.abc import Mapping

import pytest

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
    return " and ".join(needs)


def require(packages_of: Mapping[str, str] = PACKAGES) -> None:
    """Skip, or fail under CI, the test whose laboratory cannot be built here."""
    needs = missing(packages_of)
    if needs and {"CI", "CALLVEIL_TEST_NO_SKIPS"} & set(os.environ):
        pytest.fail(f"network namespaces: {needs}", pytrace=False)
    if needs:
        pytest.skip(f"network namespaces: {needs}")
