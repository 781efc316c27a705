"""Settings come from the variables that are documented, and from no others."""

from pathlib import Path

import pytest

from mainstay.config import InvalidConfiguration, Settings, load_settings


def test_variables_of_the_machine_are_not_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.setenv(field.upper(), "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("DATABASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable)
    settings = load_settings()
    assert settings.home == tmp_path / ".mainstay"
    assert (settings.port, settings.host, settings.key, settings.url) == (8321, "127.0.0.1", None, None)
    assert settings.serving_url is None


def test_what_is_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MAINSTAY_PORT", "9000")
    assert load_settings().port == 9000
    assert load_settings(port=9001, home=tmp_path).port == 9001
    assert load_settings(port=None).port == 9000


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("MAINSTAY_PORT", "abc", "MAINSTAY_PORT has the value 'abc'"),
        ("MAINSTAY_PORT", "70000", "MAINSTAY_PORT has the value '70000'"),
        ("MAINSTAY_MODEL_URL", "http://127.0.0.1:1/v1", "MAINSTAY_MODEL_NAME is not"),
        ("MAINSTAY_JOB_TRANSPORT", "rabbit", "MAINSTAY_JOB_TRANSPORT has the value 'rabbit'"),
        ("MAINSTAY_JOB_TRANSPORT", "sqs", "MAINSTAY_SQS_URL_PREFIX is not set: say what the URLs"),
        ("MAINSTAY_WORKER_CONCURRENCY", "0", "MAINSTAY_WORKER_CONCURRENCY has the value '0'"),
        ("MAINSTAY_WORKER_HEALTH_PORT", "x", "MAINSTAY_WORKER_HEALTH_PORT has the value 'x'"),
        ("MAINSTAY_LOG_LEVEL", "LOUD", "MAINSTAY_LOG_LEVEL has the value 'LOUD'"),
    ],
)
def test_value_that_cannot_be_right_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidConfiguration, match=sentence):
        load_settings()


@pytest.mark.parametrize("variable", ["MAINSTAY_MODEL_KEY", "MAINSTAY_MODEL_API_KEY"])
def test_key_of_a_model_has_two_names_and_is_not_shown(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "sk-secret")
    settings = load_settings()
    assert settings.model_key is not None
    assert settings.model_key.get_secret_value() == "sk-secret"
    assert "sk-secret" not in repr(settings)
