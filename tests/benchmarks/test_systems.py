"""The list of systems."""

import yaml

from benchmarks.systems import SYSTEMS
from relay.config.load import parse


def test_every_system_has_a_name_of_its_own_and_exactly_one_is_the_reference() -> None:
    assert len({system.name for system in SYSTEMS}) == len(SYSTEMS)
    assert [system.kind for system in SYSTEMS].count("reference") == 1


def test_callveils_configuration_is_one_that_callveil_accepts() -> None:
    ours = [system.config for system in SYSTEMS if system.config is not None]
    assert ours
    for config in ours:
        settings = parse(yaml.safe_dump(dict(config)).encode(), {})
        assert settings.limits.packets_per_s > 10**6
