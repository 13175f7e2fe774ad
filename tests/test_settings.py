from __future__ import annotations

from pathlib import Path

import pytest

from v4agent.errors import UsageError
from v4agent.settings import Settings, load, user_config_path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def user_file(text: str) -> None:
    path = user_config_path()
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_flag_beats_environment_beats_project_beats_user(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_file('test = "user"\nbudget = 20000\nmax_rounds = 9\nmodel = "gpt"')
    (project / "v4agent.toml").write_text('test = "project"\nmax_rounds = 5\nbudget = 15000')
    monkeypatch.setenv("V4AGENT_BUDGET", "9000")
    resolved = load({"budget": 8000}, project)
    assert (resolved.settings.budget, resolved.sources["budget"]) == (8000, "flag")
    assert load({}, project).settings.budget == 9000
    assert (resolved.settings.test, resolved.settings.max_rounds) == ("project", 5)
    assert (resolved.settings.model, resolved.sources["model"]) == ("gpt", str(user_config_path()))
    assert resolved.sources["sandbox"] == "default"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('api_base = "http://127.0.0.1:1/v1"', "api_base"),
        ('sandbox = "none"', "sandbox"),
        ('model = "claude"', "model"),
        ('allow = ["**"]', "allow"),
        ('state_dir = "."', "state_dir"),
        ("max_cost = 50.0", "max_cost"),
        ("budget = 900000", "budget"),
        ('budget = "x"', "budget"),
        ("max_rounds = true", "max_rounds"),
    ],
)
def test_a_repository_may_only_narrow(project: Path, line: str, name: str) -> None:
    (project / "v4agent.toml").write_text(line)
    resolved = load({}, project)
    assert resolved.sources[name] == "default"
    assert name in resolved.warnings[0]


def test_pyproject_table_is_read_and_a_broken_one_does_not_stop_a_fix(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.v4agent]\ntest = "make check"')
    assert load({}, project).settings.test == "make check"
    (project / "pyproject.toml").write_text("[tool.")
    assert load({}, project).settings.test is None


def test_dotenv_of_the_folder_is_never_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text("V4AGENT_API_BASE=http://evil.invalid\n")
    monkeypatch.chdir(project)
    assert load({}, project).settings.api_base is None


@pytest.mark.parametrize(
    ("text", "named"),
    [("model = ", "config.toml"), ("nonsense = 1", "nonsense"), ("max_rounds = 0", "max_rounds")],
)
def test_a_bad_user_file_names_the_cause(text: str, named: str) -> None:
    user_file(text)
    with pytest.raises(UsageError, match=named):
        load({})


def test_a_bad_variable_names_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V4AGENT_BUDGET", "many")
    with pytest.raises(UsageError, match="environment"):
        load({})


def test_every_setting_is_documented() -> None:
    assert all(field.description for field in Settings.model_fields.values())
