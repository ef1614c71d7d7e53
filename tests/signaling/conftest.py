"""What every recipe needs."""

from collections.abc import Iterator

import pytest

from tests.kit.requirements import require
from tests.signaling import stage


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    """A network in which the addresses of the recipes are this host's."""
    require()
    with stage.host():
        yield
