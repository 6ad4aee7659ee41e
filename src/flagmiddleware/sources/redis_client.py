"""A client for the URL of a Redis or Valkey store: one server, whatever a sentinel calls the primary, or a cluster."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from ..errors import ConfigurationError
from .address import check_address

__all__ = ["check", "connect"]


def check(url: str) -> None:
    """Raise ConfigurationError, with nothing of a login in it, for a URL that no client can be made for."""
    check_address(url)
    parts = urlsplit(url)
    if not parts.netloc.rpartition("@")[2] and parts.scheme != "unix":
        raise ConfigurationError(f"{parts.scheme}:// needs a host, such as redis://localhost:6379/0")
    if "+" in parts.scheme:
        return
    try:
        pool = connect(url, 1.0).connection_pool
        pool.connection_class(**pool.connection_kwargs)  # connects when it is used; an option that it lacks is told now
    except (TypeError, ValueError) as error:
        told = str(error).rpartition("()")[2].strip()
        raise ConfigurationError(f"{parts.scheme}://…: an option of the query is wrong: {told}") from None


def connect(url: str, timeout: float) -> Any:
    """A client, with ``timeout`` seconds for connecting and for each answer."""
    limits: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    # The refresher tries again, not the client: a write that the client repeats would conflict with itself.
    once: dict[str, Any] = {**limits, "retry": Retry(NoBackoff(), 0)}
    parts = urlsplit(url)
    login: dict[str, Any] = {"username": _plain(parts.username), "password": _plain(parts.password)}
    if parts.scheme == "redis+sentinel":
        hosts = [_host(item, 26379) for item in parts.netloc.rpartition("@")[2].split(",")]
        service = parts.path.strip("/") or "mymaster"
        sentinel: Any = Sentinel
        return sentinel(hosts, **limits).master_for(service, **once, **login)
    if parts.scheme == "redis+cluster":
        seeds = [_host(item, 6379) for item in parts.netloc.rpartition("@")[2].split(",")]
        node: Any = ClusterNode
        return RedisCluster(startup_nodes=[node(host, port) for host, port in seeds], **limits, **login)
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "name"])
    return redis.Redis.from_url(parts._replace(query=query).geturl(), **once)


def _plain(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _host(text: str, default: int) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host else (text, default)
