"""Settings: flag > environment (`V4AGENT_*`) > project > user > default.

The project's file (`v4agent.toml`, or `[tool.v4agent]` in `pyproject.toml`) belongs to whoever
wrote the repository, so it may only narrow: name the test command, lower a limit. It can never
say where a key is sent, which model is paid, or that the sandbox is off. No `.env` is read.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from v4agent.errors import UsageError

APP = "v4agent"
LOWERABLE = ("budget", "max_cost", "max_rounds", "max_time", "test_timeout")
"""Limits that a project's file may lower, never raise."""
PROJECT_FIELDS = ("test", *LOWERABLE)


class Settings(BaseSettings):
    """Every setting, with its default. The docstring below a field is its documentation."""

    model_config = SettingsConfigDict(
        env_prefix="V4AGENT_", extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    model: str = "deepseek"
    """Catalogue name (`v4agent models`), any litellm id such as `openai/x`, `repair` (no model, no
    key) or `replay:FILE`."""
    api_base: str | None = None
    """Base URL of an OpenAI-compatible server, https or loopback."""
    effort: str | None = None
    """Reasoning effort by the provider's own names; the default is the catalogue's."""
    test: str | None = None
    """Command that runs the tests; found from the repository's files when not set."""
    budget: int = Field(default=32_000, ge=500)
    """Tokens of the repository that go into the prompt."""
    max_cost: float | None = Field(default=1.0, ge=0)
    """US dollars that one run may cost at most."""
    max_rounds: int = Field(default=4, ge=1, le=50)
    """Answers of the model per run at most; each failure is fed back to the next."""
    max_time: float | None = Field(default=None, gt=0)
    """Seconds for the whole run; the repair rung alone takes 60 s where this is not set."""
    test_timeout: float = Field(default=600.0, gt=0)
    """Seconds for one run of the test command."""
    sandbox: str = "auto"
    """`auto`, `bubblewrap`, or `none` (the tests run unconfined, with your files and network)."""
    allow: tuple[str, ...] = ()
    """Globs of protected paths that edits may touch (workflows, hooks, the failing tests)."""
    allow_unpriced: bool = False
    """Call a model whose price is unknown, although `max_cost` can't be kept then."""
    state_dir: Path = Field(default_factory=lambda: platformdirs.user_state_path(APP))
    """Where journals, the ledger and scratch copies live. Never inside a repository."""

    @classmethod
    def settings_customise_sources(cls, *args: Any, **kwargs: Any) -> tuple[Any, ...]:  # noqa: ANN401
        """Only what the constructor is given: `load` merges the sources and remembers them."""
        return (kwargs["init_settings"],) if "init_settings" in kwargs else (args[1],)


class Resolved(BaseModel):
    """Settings with the source of each value."""

    model_config = ConfigDict(frozen=True)

    settings: Settings
    sources: dict[str, str]
    """Field -> `flag`, `environment`, a file's path or `default`."""
    warnings: tuple[str, ...] = ()


def user_config_path(environ: Mapping[str, str] | None = None) -> Path:
    """The user's settings file; `V4AGENT_CONFIG` names another."""
    named = (os.environ if environ is None else environ).get("V4AGENT_CONFIG")
    return Path(named) if named else platformdirs.user_config_path(APP) / "config.toml"


def user_models_path(environ: Mapping[str, str] | None = None) -> Path:
    """The user's own catalogue rows, beside the settings file."""
    return user_config_path(environ).with_name("models.toml")


def load(flags: Mapping[str, Any], project: Path | None = None) -> Resolved:
    """Merge all sources.

    Args:
        flags: settings given on the command line; None means 'not given'.
        project: the repository's folder, or None outside one.

    Raises:
        UsageError: a file or a value is malformed; names the source and the field.
    """
    merged: dict[str, Any] = {}
    sources = dict.fromkeys(Settings.model_fields, "default")
    warnings: list[str] = []
    user_path = user_config_path()
    _merge(merged, sources, _toml(user_path), str(user_path))
    if project is not None:
        values, path = _project_values(project)
        narrowed = _narrow(values, merged, path, warnings)
        _merge(merged, sources, narrowed, path)
    _merge(merged, sources, _environment(), "environment")
    _merge(merged, sources, {k: v for k, v in flags.items() if v is not None}, "flag")
    return Resolved(settings=_validated(merged, sources), sources=sources, warnings=tuple(warnings))


def _merge(
    merged: dict[str, Any], sources: dict[str, str], values: Mapping[str, Any], source: str
) -> None:
    for name, value in values.items():
        merged[name] = value
        sources[name] = source


def _validated(merged: dict[str, Any], sources: dict[str, str]) -> Settings:
    try:
        return Settings(**merged)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        where = sources.get(name, "?")
        raise UsageError(
            f"setting {name!r} from {where}: {first['msg']}",
            hint="`v4agent config schema` lists every setting",
        ) from error


def _environment() -> dict[str, Any]:
    try:
        return dict(EnvSettingsSource(Settings)())
    except Exception as error:  # pydantic-settings wraps what the JSON parser says
        raise UsageError(f"a V4AGENT_* variable is malformed: {error}") from error


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}", hint="mend or remove the file") from error


def _project_values(project: Path) -> tuple[dict[str, Any], str]:
    own = project / "v4agent.toml"
    if own.is_file() and not own.is_symlink():
        return _toml(own), str(own)
    shared = project / "pyproject.toml"
    if not shared.is_file() or shared.is_symlink():
        return {}, str(shared)
    try:
        table = _toml(shared).get("tool", {}).get(APP, {})
    except UsageError:  # a broken pyproject.toml may be the very thing to fix
        return {}, str(shared)
    return (table if isinstance(table, dict) else {}), str(shared)


def _narrow(
    values: Mapping[str, Any], below: Mapping[str, Any], path: str, warnings: list[str]
) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if name not in PROJECT_FIELDS:
            warnings.append(f"{path} sets {name!r}: ignored, a repository may only narrow settings")
        elif name == "test" or _lower(name, value, below):
            kept[name] = value
        else:
            warnings.append(f"{path} raises {name!r}: ignored, a repository may only lower limits")
    return kept


def _lower(name: str, value: object, below: Mapping[str, Any]) -> bool:
    current = below.get(name, Settings.model_fields[name].default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return current is None or value <= current
