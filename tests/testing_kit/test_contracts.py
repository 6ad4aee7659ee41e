"""The shipped contracts, run on what ships: memory, file and folder as sources, the native format."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flagmiddleware.sources.file import FileSource
from flagmiddleware.sources.memory import MemorySource
from flagmiddleware.testing.contract_format import FormatContract
from flagmiddleware.testing.contract_source import SourceContract, document


class InMemory:
    """One source that everybody shares: it is the store."""

    def __init__(self) -> None:
        self.source = MemorySource(document(beta=True))

    def open(self) -> MemorySource:
        return self.source

    def put(self, data: bytes) -> None:
        self.source.put(data)

    def break_it(self) -> bool:
        return False


class OnDisk:
    """A file, replaced as editors and deployments replace one."""

    def __init__(self, path: Path, opened: Path) -> None:
        self.path, self.opened = path, opened
        self.put(document(beta=True))

    def open(self) -> FileSource:
        # An instant long after the write: the source trusts a file only once it has settled.
        return FileSource(self.opened, now=lambda: 4e9)

    def put(self, data: bytes) -> None:
        temporary = self.path.with_suffix(".part")
        temporary.write_bytes(data)
        os.replace(temporary, self.path)

    def break_it(self) -> bool:
        self.path.unlink()
        return self.path == self.opened


class TestMemorySource(SourceContract):
    @pytest.fixture
    def store(self) -> InMemory:
        return InMemory()


class TestFileSource(SourceContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> OnDisk:
        return OnDisk(tmp_path / "flags.json", tmp_path / "flags.json")


class TestFolderSource(SourceContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> OnDisk:
        return OnDisk(tmp_path / "flags.json", tmp_path)


class TestNativeFormat(FormatContract):
    format = "native"
    good = {  # noqa: RUF012 - as a subclass writes it
        "json": document(beta=True, gamma=False),
        "yaml": b"version: 1\nflags:\n  beta:\n    rules:\n      - if: {country: [AU, NZ]}\n        rollout: 25%\n",
    }
    bad = {  # noqa: RUF012
        "rool": b"version: 1\nflags: {beta: {rool: 1}}",
        "cycle": b"version: 1\nflags: {a: {requires: {b: true}}, b: {requires: {a: true}}}",
        "insiders": b"version: 1\nflags: {beta: {rules: [{if: {segment: insiders}, serve: true}]}}",
    }
    partly = (b"version: 1\nflags: {beta: {}, gamma: {rool: 1}}", ["beta"], ["gamma"])
