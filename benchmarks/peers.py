"""The same questions for other libraries: each peer is offered where its package is installed (`bench-peers`)."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Peer", "eppo", "launchdarkly"]

Subject = dict[str, Any]


class Peer(NamedTuple):
    """A peer's client, ready: ``subject`` turns one of our subjects into the arguments between key and default."""

    name: str
    subject: Callable[[Subject], tuple[Any, ...]]
    call: Callable[..., Any]
    call_text: Callable[..., Any]


def eppo(flags: Mapping[str, Any]) -> Peer | None:
    """Eppo's SDK, whose core is Rust; ``flags`` as in its configuration format."""
    try:
        import eppo_client
    except ImportError:
        return None
    document = {"createdAt": "2026-01-01T00:00:00Z", "format": "SERVER", "environment": {"name": "b"}, "flags": flags}
    client = eppo_client.init(
        eppo_client.ClientConfig(
            api_key="none",
            assignment_logger=eppo_client.AssignmentLogger(),
            poll_interval_seconds=None,
            initial_configuration=eppo_client.Configuration(flags_configuration=json.dumps(document).encode()),
        )
    )

    def subject(one: Subject) -> tuple[Any, ...]:
        return one["targeting_key"], {name: value for name, value in one.items() if name != "targeting_key"}

    return Peer("eppo-server-sdk", subject, client.get_boolean_assignment, client.get_string_assignment)


def eppo_shard(salt: str, key: str) -> int:
    """Which of 10,000 shards Eppo puts a key into: MD5 of ``salt-key``, its first 32 bits."""
    return int(hashlib.md5(f"{salt}-{key}".encode(), usedforsecurity=False).hexdigest()[:8], 16) % 10_000


def eppo_flag(key: str, variations: Mapping[str, Any], allocations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One flag of Eppo's configuration."""
    boolean = all(isinstance(value, bool) for value in variations.values())
    return {
        "key": key,
        "enabled": True,
        "variationType": "BOOLEAN" if boolean else "STRING",
        "variations": {name: {"key": name, "value": value} for name, value in variations.items()},
        "allocations": [{"key": f"a{number}", "doLog": False, **one} for number, one in enumerate(allocations)],
        "totalShards": 10_000,
    }


def eppo_share(variation: str, salt: str, start: int, end: int) -> dict[str, Any]:
    """One split of an allocation: shards ``start`` up to, not including, ``end``."""
    return {"variationKey": variation, "shards": [{"salt": salt, "ranges": [{"start": start, "end": end}]}]}


def launchdarkly(flags: Mapping[str, Any]) -> Peer | None:
    """LaunchDarkly's SDK, offline, from a file in its own format."""
    try:
        import ldclient
        from ldclient.integrations import Files
    except ImportError:
        return None
    logging.getLogger("ldclient.util").setLevel(logging.ERROR)
    folder = tempfile.mkdtemp(prefix="ld-")
    path = Path(folder, "flags.json")
    path.write_text(json.dumps({"flags": flags}))
    config = ldclient.Config(
        "none", update_processor_class=Files.new_data_source(paths=[str(path)]), send_events=False, offline=False
    )
    client = ldclient.LDClient(config, start_wait=5)

    def subject(one: Subject) -> tuple[Any, ...]:
        builder = ldclient.Context.builder(one["targeting_key"])
        for name, value in one.items():
            if name != "targeting_key":
                builder.set(name, value)
        return (builder.build(),)

    return Peer("launchdarkly-server-sdk", subject, client.variation, client.variation)


def ld_flag(
    key: str, variations: Sequence[Any], rules: Sequence[Any], fallthrough: Mapping[str, Any]
) -> dict[str, Any]:
    """One flag of LaunchDarkly's file format; the first variation is what is served when it is off."""
    return {
        "key": key,
        "on": True,
        "version": 1,
        "salt": key,
        "variations": list(variations),
        "rules": [{"id": str(number), **rule} for number, rule in enumerate(rules)],
        "fallthrough": dict(fallthrough),
        "offVariation": 0,
        "targets": [],
        "prerequisites": [],
    }
