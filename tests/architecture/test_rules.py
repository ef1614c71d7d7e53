"""The rules of the design, checked over the source of `relay`; and every rule notices a breach."""

import pytest

from relay.errors import DropReason
from tests.architecture import calls, form, layers, privacy, purity
from tests.architecture.source import ROOT, SOURCE, Module, Rule

TOP_LEVEL = {
    *("pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
    *("relay", "config", "tests", "benchmarks", "docs", "examples"),
}

GENERATED = {"dist", "test-output"}


RULES = layers.RULES | purity.RULES | calls.RULES | privacy.RULES | form.RULES
BREACHES = [(rule, *breach) for rule, breaches in RULES.items() for breach in breaches]


@pytest.mark.parametrize("rule", RULES)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    assert rule(SOURCE) == []


@pytest.mark.parametrize(("rule", "path", "text"), BREACHES)
def test_a_breach_is_noticed(rule: Rule, path: str, text: str) -> None:
    assert len(rule([Module(path, text)])) == 1


def test_a_circle_is_noticed() -> None:
    texts = {
        "relay/turn/table.py": "if TYPE_CHECKING:\n    from relay.turn.outer import OuterPort",
        "relay/turn/outer.py": "from relay.turn import routes",
        "relay/turn/routes.py": "from relay.turn.table import Table",
        "relay/turn/data.py": "from relay.turn.table import Table",
    }
    breaches = layers.import_circles([Module(*each) for each in texts.items()])
    assert {line.partition(":")[0] for line in breaches} == {*texts} - {"relay/turn/data.py"}


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (privacy.revealed_addresses, privacy.MAY_REVEAL),
        (purity.clock_readings, purity.MAY_READ_CLOCKS),
        (form.transport_questions, form.MAY_ASK_TRANSPORT),
    ],
)
def test_no_exception_outlives_its_reason(rule: Rule, allowed: dict[str, str]) -> None:
    elsewhere = [Module(f"{module.path}x", module.text) for module in SOURCE]
    assert {line.partition("x:")[0] for line in rule(elsewhere)} == set(allowed)


def test_every_package_and_module_has_a_row_in_the_table() -> None:
    assert {module.part for module in SOURCE} == {*layers.MAY_IMPORT, ""}


def test_top_level_holds_only_the_agreed_names() -> None:
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert visible - GENERATED <= TOP_LEVEL


def test_every_drop_reason_has_a_number_and_a_label_of_its_own() -> None:
    assert [reason.value for reason in DropReason] == list(range(len(DropReason)))
    assert len(DropReason.__members__) == len(DropReason)  # a second name would be an alias
    assert len({reason.label for reason in DropReason}) == len(DropReason)
