"""The fixtures that tests in the laboratory share; a conftest imports them."""

from collections.abc import Iterator

import pytest

from tests.lab.requirements import require
from tests.lab.topology import Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One laboratory per test module."""
    require()
    with Lab() as made:
        yield made
