"""What is wrong with the address in a URL, told before any part of it is shown.

A password that holds ``/``, ``?``, ``#`` or ``@`` cuts a URL in the wrong place: what then looks like a host, a port or
a path is half of the password, and would stand in names, logs and messages.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from ..errors import ConfigurationError

__all__ = ["check_address"]

_PORT: Final = re.compile(r"(?:\[[^]]*\]|[^]:]*)(?::(\d*))?", re.ASCII)
_HALF_ESCAPED: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_TOLD: Final = (
    "the address makes no sense: write host:port, with a number for the port, and escape a login "
    "(/ is %2F, ? is %3F, # is %23, @ is %40, % is %25)"
)


def check_address(url: str, *, at_sign_in_path: bool = False) -> None:
    """Raise ConfigurationError, which shows nothing of ``url`` but its scheme, where its host or login makes no sense.

    ``at_sign_in_path`` lets a path hold an ``@``, as addresses on the web may. Several hosts, after commas, are fine.

    >>> check_address("redis://user:pa%2Fss@localhost:6379/0")
    >>> check_address("redis://user:pa/ss@localhost:6379/0")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    flagmiddleware.errors.ConfigurationError: redis://…: the address makes no sense: write host:port, with a number...
    """
    scheme = url.partition("://")[0]
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets without a fellow, letters that look like others
        raise ConfigurationError(f"{scheme}://…: {_TOLD}") from None
    login, _, hosts = parts.netloc.rpartition("@")
    cut = "@" in parts.fragment or ("@" in parts.path and not at_sign_in_path)
    if cut or _HALF_ESCAPED.search(login) or not all(map(_is_address, hosts.split(","))):
        raise ConfigurationError(f"{scheme}://…: {_TOLD}")


def _is_address(text: str) -> bool:
    found = _PORT.fullmatch(text)
    return found is not None and int(found[1] or 0) < 2**16
