"""Facts that take some parsing: the client's address behind proxies, the host, the language."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

__all__ = ["client_address", "host_name", "language_tag"]

_LONGEST: Final = 256
"""No address, host or language tag is longer; what is longer is nobody's."""


def client_address(peer: str | None, forwarded: str | None, proxies: int) -> str | None:
    """The client's address, where ``proxies`` proxies of the site append to ``X-Forwarded-For``.

    Counted from the right: what stands further left was sent by the client, who may claim anything.

    >>> client_address("10.0.0.1", "1.1.1.1, 203.0.113.7", 1), client_address("203.0.113.7", "1.1.1.1", 0)
    ('203.0.113.7', '203.0.113.7')
    """
    if proxies and forwarded:
        hops = forwarded.rsplit(",", proxies)[-proxies:]
        return _address(hops[0])
    return _address(peer or "")


def _address(text: str) -> str | None:
    text = text.strip(' \t"')
    if len(text) > _LONGEST:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def host_name(host: str | None) -> str | None:
    """The host, lower case and without its port.

    >>> host_name("Shop.Example.com:8000"), host_name("[::1]:8000")
    ('shop.example.com', '[::1]')
    """
    if not host or len(host) > _LONGEST:
        return None
    name, colon, port = host.rpartition(":")
    return (name if colon and (port.isdigit() or not port) else host).lower()


def language_tag(accepted: str | None) -> str | None:
    """The first tag of an ``Accept-Language`` header, in the case that BCP 47 (RFC 5646, section 2.1.1) recommends.

    >>> language_tag("en-au, en;q=0.8"), language_tag("ZH-HANT-tw"), language_tag("*")
    ('en-AU', 'zh-Hant-TW', None)
    """
    if not accepted:
        return None
    first = accepted[:_LONGEST].partition(",")[0].partition(";")[0].strip()
    if not first.replace("-", "").isalnum() or not first.isascii():
        return None
    language, *rest = first.split("-")
    return "-".join([language.lower(), *(_subtag_case(part) for part in rest)])


def _subtag_case(part: str) -> str:
    return part.upper() if len(part) == 2 else part.title() if len(part) == 4 and part.isalpha() else part.lower()
