"""Stands in for flagd's daemon, which is not to be had as a Python package: its sync service, from its own definition.

    python -m tests.sources.flagd_daemon PORT FILE [TOKEN]

What FILE holds is what the service hands out; a change is announced to every open stream. With a token, whoever sends
another one is refused.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from openfeature.schemas.protobuf.flagd.sync.v1 import sync_pb2, sync_pb2_grpc


class Sync(sync_pb2_grpc.FlagSyncServiceServicer):
    """``flagd.sync.v1.FlagSyncService``; a selector picks the file ``FILE.selector``."""

    def __init__(self, file: Path, token: str) -> None:
        self.file, self.token = file, token

    def _content(self, selector: str) -> str:
        return (self.file.with_name(f"{self.file.name}.{selector}") if selector else self.file).read_text()

    def _admit(self, context: Any) -> None:
        sent = dict(context.invocation_metadata())
        if self.token and sent.get("authorization") != f"Bearer {self.token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

    def FetchAllFlags(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        self._admit(context)
        return sync_pb2.FetchAllFlagsResponse(flag_configuration=self._content(request.selector))

    def SyncFlags(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802 - gRPC's name
        self._admit(context)
        told = None
        while context.is_active():
            content = self._content(request.selector)
            if content != told:
                told = content
                yield sync_pb2.SyncFlagsResponse(flag_configuration=content)
            time.sleep(0.01)


def main(port: str, file: str, token: str = "") -> None:
    """Serve until somebody ends the process."""
    server = grpc.server(ThreadPoolExecutor(16))
    sync_pb2_grpc.add_FlagSyncServiceServicer_to_server(Sync(Path(file), token), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
