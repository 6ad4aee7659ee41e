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
from ..errors import ConfigurationError, RulesetError
from ..flags import Flags
from ..model import Ruleset
from ..release.documents import read_documents
from ..release.policy import Place, Policy, read_policy
from ..release.policy_file import read_policy_file
from ..release.population import parse_attribute
from ..sources import Source, open_source
from ..sources.urls import SETTINGS
from ..sources.wrappers import base_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "SOURCE_VARIABLE",
    "Bench",
    "context_from",
    "format_option",
    "pass_bench",
    "policy_option",
    "settings",
    "source_at",
    "source_options",
]

SOURCE_VARIABLE = "FLAGMIDDLEWARE_SOURCE"
_USUAL = ("flags.yaml", "flags.yml", "flags.json", "flags.toml", "flags")


Read = Callable[[Path], bytes]
"""Tells what is in a file; raises FileNotFoundError where there is none."""


def settings(read: Read = Path.read_bytes) -> Mapping[str, Any]:
    """The ``[tool.flagmiddleware]`` table of the nearest ``pyproject.toml``, paths made absolute."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        try:
            table = tomllib.loads(read(file).decode("utf-8")).get("tool", {}).get("flagmiddleware", {})
        except (FileNotFoundError, IsADirectoryError):
            continue
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file} is not valid TOML: {error}") from error
        source = table.get("source")
        if isinstance(source, str) and "://" not in source:
            table = {**table, "source": str(folder / source)}
        return {**table, "root": str(folder)}
    return {}


_ANYWHERE = ("fallback", "overlay", "env_prefix")
"""The settings that make sense round a file, too."""


def source_at(where: str, *names: str) -> Source:
    """The source at a path or URL, with what the variables ``FLAGMIDDLEWARE_…`` of these settings put round it."""
    if "://" not in where or where.startswith("file:"):
        names = tuple(name for name in names if name in _ANYWHERE)
    variables = {name: f"FLAGMIDDLEWARE_{name.upper()}" for name in names}
    given = {name: os.environ[variable] for name, variable in variables.items() if os.environ.get(variable)}
    try:
        return open_source(where, **given)
    except ConfigurationError as error:
        name, colon, rest = str(error).partition(":")
        raise ConfigurationError(variables[name] + colon + rest if name in given else str(error)) from error


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

    def is_own(self, url: str | None) -> bool:
        """Whether ``url`` means the caller's own flags: nothing, or what their source calls itself, as ``django``."""
        if not self.has_provider or url is None or "://" in url:
            return self.has_provider and url is None
        return url == base_of(self.flags.source).name

    def usual_places(self, read: Read) -> tuple[str, ...]:
        """Where definitions are looked for that nobody named, by what is in the project's files; empty: they are named.

        First where the project says, then the usual names.
        """
        if self._provider is not None or self.source or os.environ.get(SOURCE_VARIABLE):
            return ()
        found = settings(read).get("source")
        return (*filter(None, (found,)), *_USUAL)

    @property
    def location(self) -> str:
        """The path or URL of the definitions: the command line's, the environment's, the project's, or the usual."""
        if self.source is not None:
            return self.source
        found = os.environ.get(SOURCE_VARIABLE) or _source_setting()
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
                source = source_at(self.location, *SETTINGS)
                self._flags = Flags(source, format=self.dialect, environment=self.environment)
        return self._flags

    @property
    def ruleset(self) -> Ruleset:
        """The definitions as parsed."""
        try:
            return self.flags.ruleset
        except RulesetError:
            if self.path is not None:  # read as a document, it may tell more: a merge conflict is called by its name
                read_documents(self.path, dialect=self.dialect).parse(self.environment)
            raise

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

    def policy_of(self, ruleset: Ruleset, *, place: Place | None = None, read: Read = Path.read_bytes) -> Policy:
        """The release policy that some definitions ask for, over the one of ``--policy`` or the project's settings.

        ``place`` tells where a path of the definitions stands, ``read`` what is in the files of that other policy.
        """
        base = _outside_policy(read)
        return read_policy(ruleset.policy, base=base, file=self.source or "", place=place or self._place)

    def _place(self, *path: str | int) -> tuple[str, int]:
        if self.path is None:
            return self.source or "", 0
        return read_documents(self.path, dialect=self.dialect).lines().place(*path)

    @staticmethod
    def now() -> float:
        """The instant that commands decide at."""
        return time.time()


def _source_setting() -> str:
    try:
        return str(settings().get("source") or "")
    except ConfigurationError as error:  # no reason to be left without a way to kill
        raise ConfigurationError(f"{error}; --source FILE goes on without it") from error


_POLICY = "flagmiddleware.policy"


def _outside_policy(read: Read) -> Policy:
    """The policy of ``--policy``, or of the project's settings: a file, or a table right there."""
    context = click.get_current_context(silent=True)
    chosen = context.meta.get(_POLICY) if context is not None else None
    if chosen is not None:
        return read_policy_file(chosen, read=_or_now(read))
    project = settings(read)
    outside, root = project.get("policy", {}), Path(str(project.get("root", ".")))
    if isinstance(outside, str):
        return read_policy_file(root / outside, read=_or_now(read))
    return read_policy(outside, file=str(root / "pyproject.toml"))


def _or_now(read: Read) -> Read:
    """``read``, and what is in a file now where it finds none: somebody named it, so it is there on purpose."""

    def found(path: Path) -> bytes:
        try:
            return read(path)
        except FileNotFoundError:
            return path.read_bytes()

    return found


def policy_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--policy FILE``."""

    def choose(context: click.Context, _: click.Parameter, path: str | None) -> None:
        context.meta[_POLICY] = path

    help = "The release policy; the definitions' own `policy:` goes before it."
    return click.option("--policy", metavar="FILE", callback=choose, expose_value=False, help=help)(command)


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
