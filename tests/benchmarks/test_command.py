"""The command's refusals, which need nothing of the host."""

import os

from tests.benchmarks.command import start

AS_NOBODY = ("setpriv", "--reuid=65534", "--clear-groups")


def test_without_root_it_says_what_is_needed_and_exits_2() -> None:
    before = AS_NOBODY if os.geteuid() == 0 else ()
    with start("--quick", before=before) as process:
        printed, said = process.communicate()
    assert process.returncode == 2, said
    assert "network namespaces need root" in said
    assert printed == ""


def test_an_unknown_system_is_a_usage_error() -> None:
    with start("--systems", "nothing-of-the-kind") as process:
        _, said = process.communicate()
    assert process.returncode == 2
    assert "no such system: nothing-of-the-kind" in said
