"""The stage of a test; its batch is the best of the system unless the test is for each."""

import pytest

from relay.forward.user.slots import Batch
from tests.forward.loopback import Stage


@pytest.fixture
def batch() -> type[Batch] | None:
    """How the listeners receive and send."""
    return None


@pytest.fixture
def stage(batch: type[Batch] | None) -> Stage:
    """Entered by the loop that the test runs in."""
    return Stage(batch)
