"""Authorities of browsers: in a database of NSS, in the profile or beside it."""

import shutil
from functools import cache
from pathlib import Path

from tests.kit.namespaces import run_command


def authority(database: Path, certificate: Path) -> None:
    """Let a browser trust an authority, whose database is made here."""
    shutil.copytree(_made(certificate), database)


@cache
def _made(certificate: Path) -> Path:
    """Made once for all browsers: `certutil` was seen to hang beside a browser that runs."""
    made = certificate.with_name("nss")
    made.mkdir()
    run_command(["certutil", "-N", "-d", f"sql:{made}", "--empty-password"])
    trusted = ["-n", "tests", "-t", "C,,", "-i", str(certificate)]
    run_command(["certutil", "-A", "-d", f"sql:{made}", *trusted])
    return made
