"""What is missing is named; it is skipped on a developer's machine and fails under CI."""

import pytest

from tests.kit import requirements


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tool anywhere, and no word about CI."""
    monkeypatch.setenv("PATH", "")
    for name in ("CI", "CALLVEIL_TEST_NO_SKIPS"):
        monkeypatch.delenv(name, raising=False)


def test_what_is_missing_is_named_with_what_to_install() -> None:
    for package in requirements.PACKAGES.values():
        assert package in requirements.missing()


def test_without_the_tools_the_test_is_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install"):
        requirements.require()


@pytest.mark.parametrize("name", ["CI", "CALLVEIL_TEST_NO_SKIPS"])
def test_under_ci_it_fails_instead(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install"):
        requirements.require()
