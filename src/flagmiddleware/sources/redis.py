"""Definitions in Redis or Valkey, for many machines: one hash holds the newest snapshot, one stream the history.

Writing is one script: compare epoch and revision, set the hash, append to the stream, publish a hint. Reading is one
small command for what identifies the snapshot, and the whole only where that differs. The hint makes a change arrive
within milliseconds; it may be lost, which the reconcile of the refresher makes up for.

URLs: ``redis://``, ``rediss://``, ``redis+sentinel://host:port,host:port/service``, ``redis+cluster://host:port,…``;
the query's ``name`` (default ``flags``) tells several sets of flags in one store apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import redis

from ..errors import ConflictError, SourceError
from .base import Change, Snapshot
from .chain import entry, head_of, trimming
from .home import home
from .redis_client import check, connect
from .signed import sign

__all__ = ["RedisSource"]

_IDENTITY: Final = ("epoch", "revision", "sha256")
_FIELDS: Final = (*_IDENTITY, "signature", "format", "data")
_REFUSALS: Final = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
)
# A cluster that is out of reach raises no RedisError, a name that no resolver takes no OSError.
_FAILURES: Final = (redis.RedisError, redis.exceptions.RedisClusterException, OSError, UnicodeError)
_LIMIT: Final = 64 * 2**20
_KEPT: Final = 10_000  # changes in the history, at least
_SPARE: Final = 1_000  # and so many more before the oldest are let go

_DOCUMENTS_KEPT: Final = 50  # whole documents, for taking a change back

# KEYS: hash, stream, documents by revision. ARGV: expected revision or "", new epoch, channel, how many of the oldest
# changes to let go, how many of the rest belong to the hash, how many documents to keep; then the pairs of the hash,
# then the pairs of the stream.
# Everything that is written once is written together: a reader finds the old snapshot or the new one.
_WRITE: Final = """
local revision = redis.call('HGET', KEYS[1], 'revision')
if (revision or '') ~= ARGV[1] then return redis.error_reply('CONFLICT ' .. (revision or '')) end
local epoch = redis.call('HGET', KEYS[1], 'epoch') or ARGV[2]
local hash, entry, fields = {}, {}, tonumber(ARGV[5])
for i = 7, 6 + fields do hash[#hash + 1] = ARGV[i] end
for i = 7 + fields, #ARGV do entry[#entry + 1] = ARGV[i] end
redis.call('HSET', KEYS[1], 'epoch', epoch, unpack(hash))
local now = redis.call('HMGET', KEYS[1], 'revision', 'data')
if not revision then redis.call('DEL', KEYS[3]) end
redis.call('HSET', KEYS[3], now[1], now[2])
redis.call('HDEL', KEYS[3], string.format('%d', tonumber(now[1]) - tonumber(ARGV[6])))
redis.call('XADD', KEYS[2], '*', unpack(entry))
if ARGV[4] ~= '0' then redis.call('XTRIM', KEYS[2], 'MAXLEN', redis.call('XLEN', KEYS[2]) - tonumber(ARGV[4])) end
redis.call('PUBLISH', ARGV[3], epoch)
return epoch
"""


class RedisSource:
    """Reads and writes one set of flags in a Redis or Valkey store.

    ``timeout`` (seconds) limits each command, ``start_timeout`` how long a start waits, ``snapshot_key`` signs what is
    written. Raises ConfigurationError for a URL that makes no sense, SourceError from :meth:`fetch` where the store
    cannot be reached, ConflictError from :meth:`write` where somebody else wrote first.
    """

    threaded = True

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 2.0,
        start_timeout: float = 2.0,
        snapshot_key: bytes | None = None,
    ) -> None:
        check(url)
        parts = urlsplit(url)
        name = parse_qs(parts.query).get("name", ["flags"])[0]
        self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}#{name}"
        self.start_timeout = start_timeout
        # In braces, so that a cluster keeps the hash and the stream on one node, which the script needs.
        self.key, self.log, self.channel = f"{{{name}}}:snapshot", f"{{{name}}}:log", f"{{{name}}}:changed"
        self.past = f"{{{name}}}:past"
        self._url = url
        self._timeout = timeout
        self.snapshot_key = snapshot_key
        self._home: object = None
        self._client: Any = None
        self._listener: Any = None

    # -- connections ----------------------------------------------------------------------------------------------

    def _redis(self) -> Any:
        if self._home != home():  # a socket that a fork inherited belongs to the parent
            self._client, self._listener = None, None
            self._home = home()
        if self._client is None:
            self._client = connect(self._url, self._timeout)
        return self._client

    def _ask(self, ask: Callable[[Any], Any]) -> Any:
        try:
            return ask(self._redis())
        except _REFUSALS as error:
            raise SourceError(
                f"{self.name} does not let us in: check the user and the password", refused=True
            ) from error
        except _FAILURES as error:
            if "CONFLICT" in str(error) or isinstance(error, redis.exceptions.NoScriptError):
                raise
            told = str(error).partition(" : <")[0]  # a sentinel's client shows itself in full, addresses and all
            raise SourceError(f"{self.name}: {type(error).__name__}: {told}") from error

    # -- reading --------------------------------------------------------------------------------------------------

    def changed(self, known: Snapshot | None) -> bool:
        """Always worth a look."""
        return True

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """The newest snapshot, None where it is still ``known``; raises SourceError where there is none."""
        if known is not None:
            identity = self._ask(lambda client: client.hmget(self.key, _IDENTITY))
            if tuple(_text(part) for part in identity) == (known.epoch, known.revision, known.sha256):
                return None
        found = dict(zip(_FIELDS, self._ask(lambda client: client.hmget(self.key, _FIELDS)), strict=True))
        data = found["data"]
        if data is None:
            raise SourceError(f"{self.name} holds no flags yet: flags push FILE {self._url.partition('://')[0]}://…")
        if len(data) > _LIMIT:
            raise SourceError(f"{self.name} holds more than {_LIMIT // 2**20} MiB: that is no set of flags")
        return Snapshot(
            data=data,
            name=self.name,
            format=_text(found["format"]) or None,
            revision=_text(found["revision"]),
            epoch=_text(found["epoch"]),
            sha256=_text(found["sha256"]),
            signature=_text(found["signature"]),
        )

    def wait(self, timeout: float) -> bool:
        """Block up to ``timeout`` seconds for a hint; a lost connection is a hint, too, after a pause."""
        try:
            self._redis()
            if self._listener is None:
                self._listener = self._subscribe()
                return True  # what was written before the subscription stood is found by fetching now
            message = self._listener.get_message(timeout=timeout)
            return message is not None and message["type"] == "message"
        except _FAILURES:
            self._drop_listener()
            time.sleep(min(timeout, 0.2))
            return True

    def _subscribe(self) -> Any:
        listener = self._client.pubsub()
        listener.subscribe(self.channel)
        acknowledged = listener.get_message(timeout=self._timeout)
        if acknowledged is None:
            listener.close()
            raise redis.TimeoutError("the subscription was not acknowledged")
        return listener

    def _drop_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(*_FAILURES):
                listener.close()

    # -- writing --------------------------------------------------------------------------------------------------

    def write(self, change: Change, expected: str | None) -> str:
        """Write a new snapshot; returns its revision.

        Raises ConflictError unless ``expected`` (None: nothing there yet) is the store's revision. A reply that was
        lost on the way is looked up: the change is written once or not at all.
        """
        revision = _following(expected, self.name)
        digest = hashlib.sha256(change.data).hexdigest()
        current, head = self._ask(lambda client: client.hmget(self.key, ("epoch", "head")))
        epoch = _text(current) or uuid4().hex
        # The history cannot move between this and the write: the revision would have moved with it.
        oldest = self._past_keeping()
        known = None if current is None else _text(head)
        logged = entry(change, revision, self.history(1), head=known, trimmed=trimming(oldest))
        hash_fields = {**self._hash(change, epoch, revision, digest), "head": head_of(logged)}
        arguments = [
            expected or "",
            epoch,
            self.channel,
            len(oldest),
            2 * len(hash_fields),
            _DOCUMENTS_KEPT,
            *_flat(hash_fields),
            *_flat(logged),
        ]
        try:
            self._ask(lambda client: client.eval(_WRITE, 3, self.key, self.log, self.past, *arguments))
        except redis.ResponseError as error:
            raise ConflictError(f"{self.name}: {_conflict(error, expected)}") from error
        except SourceError:
            if not self._has(revision, digest):
                raise
        return revision

    def _hash(self, change: Change, epoch: str, revision: str, digest: str) -> dict[str, Any]:
        snapshot = Snapshot(data=change.data, revision=revision, epoch=epoch)
        signature = sign(snapshot, self.snapshot_key) if self.snapshot_key is not None else ""
        return {
            "revision": revision,
            "sha256": digest,
            "signature": signature,
            "format": "native",
            "data": change.data,
        }

    def _has(self, revision: str, digest: str) -> bool:
        """Whether what we wrote is there, although nobody told us."""
        for pause in (0.05, 0.2, 0.5):
            try:
                found = self._ask(lambda client: client.hmget(self.key, ("revision", "sha256")))
                return tuple(map(_text, found)) == (revision, digest)
            except SourceError:
                time.sleep(pause)
        return False

    def history(self, count: int = 100) -> list[dict[str, str]]:
        """The newest changes, the latest first, with the fields of :func:`.chain.entry`."""
        return _entries(self._ask(lambda client: client.xrevrange(self.log, count=count)))

    def head(self) -> str:
        """What the definitions say of their newest change, as :func:`.chain.head_of` names it; empty: nothing."""
        return _text(self._ask(lambda client: client.hget(self.key, "head")))

    def _past_keeping(self) -> list[dict[str, str]]:
        """The oldest changes, where there are more than need be kept."""
        length = self._ask(lambda client: client.xlen(self.log))
        if length < _KEPT + _SPARE:
            return []
        return _entries(self._ask(lambda client: client.xrange(self.log, count=length + 1 - _KEPT)))

    def document(self, revision: str) -> bytes | None:
        """The document as it was at one of the newest revisions; None where it is no longer kept."""
        found: bytes | None = self._ask(lambda client: client.hget(self.past, revision))
        return found

    def close(self) -> None:
        """Close the sockets of this process."""
        if self._home == home() and self._client is not None:
            self._drop_listener()
            self._client.close()
            self._client = None


def _following(expected: str | None, name: str) -> str:
    try:
        return str(int(expected or 0) + 1)
    except ValueError:
        raise ConflictError(f"{name} counts its revisions: {expected!r} is none of them") from None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _entries(found: list[Any]) -> list[dict[str, str]]:
    return [{_text(name): _text(value) for name, value in fields.items()} for _, fields in found]


def _flat(fields: Mapping[str, Any]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]


def _conflict(error: Exception, expected: str | None) -> str:
    found = str(error).partition("CONFLICT")[2].strip() or "nothing"
    return f"the store is at revision {found}, not {expected or 'nothing'}: read it again, then retry"
