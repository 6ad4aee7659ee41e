"""What a command works on: which definitions, found where, for which environment."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from ..context import Context
from ..errors import ConfigurationError
from ..flags import Flags
from ..model import Ruleset
from ..release.policy import Policy, read_policy
from ..release.population import parse_attribute

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["SOURCE_VARIABLE", "Bench", "context_from", "format_option", "pass_bench", "settings", "source_options"]

SOURCE_VARIABLE = "FLAGMIDDLEWARE_SOURCE"
_USUAL = ("flags.yaml", "flags.yml", "flags.json", "flags.toml", "flags")


def settings() -> Mapping[str, Any]:
    """The ``[tool.flagmiddleware]`` table of the nearest ``pyproject.toml``, paths made absolute."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            try:
                table = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("flagmiddleware", {})
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"{file} is not valid TOML: {error}") from error
            source = table.get("source")
            if isinstance(source, str) and "://" not in source:
                table = {**table, "source": str(folder / source)}
            return {**table, "root": str(folder)}
    return {}


class Bench:
    """The definitions that one invocation of a command works on, found once and only when asked for."""

    def __init__(self, provider: Callable[[], Flags] | None = None) -> None:
        self._provider = provider
        self._flags: Flags | None = None
        self.source: str | None = None
        self.environment: str | None = None
        self.dialect: str | None = None

    def choose(self, source: str | None, environment: str | None, dialect: str | None) -> None:
        """Take what the command line says."""
        self.source = source
        self.environment = environment or (None if self._provider else os.environ.get("FLAGMIDDLEWARE_ENVIRONMENT"))
        self.dialect = dialect

    @property
    def has_provider(self) -> bool:
        """Whether the caller's own flags are worked on, and the command line names no others."""
        return self._provider is not None and self.source is None

    @property
    def location(self) -> str:
        """The path or URL of the definitions: the command line's, the environment's, the project's, or the usual."""
        if self.source is not None:
            return self.source
        found = os.environ.get(SOURCE_VARIABLE) or settings().get("source")
        if found:
            return str(found)
        for name in _USUAL:
            if Path(name).exists():
                return name
        raise click.UsageError(
            f"no flag definitions: name a file or URL with --source, set {SOURCE_VARIABLE}, put "
            'source = "flags.yaml" under [tool.flagmiddleware] in pyproject.toml, or run where flags.yaml is'
        )

    @property
    def flags(self) -> Flags:
        """The flags, from the caller or from :attr:`location`; raises RulesetError for definitions that are wrong."""
        if self._flags is None:
            if self._provider is not None and self.source is None and self.environment is None:
                self._flags = self._provider()
            else:
                self._flags = Flags(self.location, format=self.dialect, environment=self.environment)
        return self._flags

    @property
    def ruleset(self) -> Ruleset:
        """The definitions as parsed."""
        return self.flags.ruleset

    @property
    def path(self) -> Path | None:
        """The file or folder that the definitions come from; None where they come from elsewhere."""
        if self._provider is not None and self.source is None:
            found = getattr(self.flags.source, "path", None)
            return Path(found) if found is not None else None
        return None if "://" in self.location else Path(self.location)

    @property
    def policy(self) -> Policy:
        """The release policy of the definitions in force."""
        return self.policy_of(self.ruleset)

    def policy_of(self, ruleset: Ruleset) -> Policy:
        """The release policy that some definitions ask for, over the one that the project's settings name."""
        outside = settings().get("policy")
        if isinstance(outside, str):
            outside = _policy_file(Path(str(settings()["root"])) / outside)
        return read_policy({**(outside or {}), **ruleset.policy}, file=self.source or "")

    @staticmethod
    def now() -> float:
        """The instant that commands decide at."""
        return time.time()


def _policy_file(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"policy file {path} cannot be read: {error}") from error


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--source``, ``--environment`` and ``--dialect``; the command gets a Bench that has them."""
    options = (
        click.option("--source", "-s", metavar="FILE|URL", help="Where the definitions are."),
        click.option("--environment", "-e", metavar="NAME", help="Decide as in this environment."),
        click.option("--dialect", metavar="NAME", help="native, flagd, unleash or rocketflag; default: recognised."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def pass_bench(command: Callable[..., Any]) -> Callable[..., Any]:
    """Call ``command`` with the Bench first, told what the shared options say."""
    from functools import wraps

    @wraps(command)
    def run(*args: Any, source: str | None, environment: str | None, dialect: str | None, **options: Any) -> Any:
        bench = click.get_current_context().obj
        bench = bench if isinstance(bench, Bench) else Bench()
        bench.choose(source, environment, dialect)
        return command(bench, *args, **options)

    return source_options(run)


def format_option(*formats: str) -> Callable[[Any], Any]:
    """``--format``: a table for people unless another one is asked for."""
    choices = formats or ("table", "json")
    return click.option("--format", "style", type=click.Choice(choices), default=choices[0], help="What to print.")


def context_from(user: str | None, attributes: tuple[str, ...]) -> Context:
    """The subject that ``--user`` and ``attribute=value`` arguments describe; a name given twice makes a list."""
    values: dict[str, Any] = {}
    for pair in attributes:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"expected attribute=value, such as country=AU, found {pair!r}")
        value = parse_attribute(text)
        if name not in values:
            values[name] = value
        elif isinstance(values[name], list):
            values[name].append(value)
        else:
            values[name] = [values[name], value]
    key = values.pop("targeting_key", None) if user is None else user
    return Context(key, values)
