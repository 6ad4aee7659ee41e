"""The operators that flagd adds to JsonLogic: ``starts_with``, ``ends_with`` and ``sem_ver``.

Source: flagd documentation, "Custom operations". Whatever is wrong with their arguments, the answer is null, so that
the flag falls back to its default variant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from types import MappingProxyType
from typing import Any, Final

from ..versions import parse_version
from .javascript import plain, text
from .jsonlogic import Compiler, Expression, Scope

__all__ = ["FLAGD_OPERATORS", "SEMVER_COMPARISONS", "sem_ver"]

_LONGEST: Final = 256


def _affix(test: Callable[[str, str], bool]) -> Callable[..., bool | None]:
    def operator(*arguments: Any) -> bool | None:
        if len(arguments) != 2:
            return None
        whole, part = map(plain, arguments)
        return test(whole, part) if isinstance(whole, str) and isinstance(part, str) else None

    return operator


def _version(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return _parse(text(value)) if value.__class__ is not str or len(value) <= _LONGEST else None


# A process meets few versions, and reading one costs ten times as much as all the rest of the comparison.
@lru_cache(maxsize=1024)
def _parse(written: str) -> Any:
    version = parse_version(written)
    return None if version is None or _has_padded_number(written) else version


def _has_padded_number(written: str) -> bool:
    # SemVer 2.0.0, section 9: a numeric identifier of a pre-release has no leading zero.
    _, _, prerelease = written.partition("+")[0].partition("-")
    return any(part.isdigit() and part != "0" and part[0] == "0" for part in prerelease.split("."))


SEMVER_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {
        "=": eq,
        "!=": ne,
        "<": lt,
        "<=": le,
        ">": gt,
        ">=": ge,
        "^": lambda a, b: a[0] == b[0],
        "~": lambda a, b: a[:2] == b[:2],
    }
)
"""``^`` is the same major number and ``~`` the same major and minor number, as flagd has it: no lower bound."""


def _sem_ver(*arguments: Any) -> bool | None:
    if len(arguments) != 3:
        return None
    first, mark, second = arguments
    left, right = _version(first), _version(second)
    compare = SEMVER_COMPARISONS.get(mark) if isinstance(mark, str) else None
    if left is None or right is None or compare is None:
        return None
    return compare(left, right)


def sem_ver(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
    """The form of ``sem_ver``: what is compared with is read at load where it is known then, as it mostly is."""
    parts = [compiler.compile(argument, scope) for argument in arguments]
    fixed = len(parts) == 3 and parts[1].is_constant and parts[2].is_constant
    compare = SEMVER_COMPARISONS.get(parts[1].value) if fixed and isinstance(parts[1].value, str) else None
    right = _version(parts[2].value) if compare is not None else None
    if compare is None or right is None or parts[0].is_constant:
        return Expression(lambda data: _sem_ver(*[part.run(data) for part in parts]))
    read, test = parts[0].run, compare

    def run(data: Any) -> bool | None:
        value = read(data)
        left = _parse(value) if value.__class__ is str and len(value) <= _LONGEST else _version(value)
        return None if left is None else test(left, right)

    return Expression(run)


FLAGD_OPERATORS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {"starts_with": _affix(str.startswith), "ends_with": _affix(str.endswith)}
)
"""flagd's operators on values, by name."""
