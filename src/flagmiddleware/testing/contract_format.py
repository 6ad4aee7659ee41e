"""The contract of formats as a test suite: subclass :class:`FormatContract` and give it some documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..context import Context
from ..errors import RulesetError
from ..flags import Flags
from ..formats import parse
from ..model import Ruleset

__all__ = ["FormatContract"]


class FormatContract:
    """What every format promises. A subclass sets the class attributes; the fixture-less tests do the rest."""

    format: ClassVar[str]
    """The format's name."""
    good: ClassVar[Mapping[str, bytes]]
    """Correct documents, by a name that is only shown."""
    bad: ClassVar[Mapping[str, bytes]]
    """Wrong documents, by a word that the message has to contain."""
    partly: ClassVar[tuple[bytes, Sequence[str], Sequence[str]] | None] = None
    """A document with good and bad flags, the good keys and the bad ones; None where no flag can be bad by itself."""

    def parse(self, data: bytes, **options: Any) -> Ruleset:
        """Read a document of this format."""
        return parse(data, format=self.format, **options)

    def test_contract_good_documents(self) -> None:
        """Each correct document is read, equal each time, and every flag in it can be decided by anybody."""
        for name, data in self.good.items():
            ruleset = self.parse(data)
            assert ruleset.flags, name
            assert set(ruleset.flags) == set(self.parse(data).flags)
            here = Flags(ruleset).bind(Context("user-42", country="AU"))
            assert set(here.all()) == set(ruleset.flags)

    def test_contract_keys(self) -> None:
        """A flag is found under the key that it says it has."""
        for data in self.good.values():
            assert all(flag.key == key for key, flag in self.parse(data).flags.items())

    def test_contract_bad_documents(self) -> None:
        """Each wrong document is refused with a problem that says what is wrong, and names the file."""
        for word, data in self.bad.items():
            with pytest.raises(RulesetError) as raised:
                self.parse(data, name="flags.file")
            assert word in str(raised.value)
            assert all(problem.file == "flags.file" for problem in raised.value.problems)

    def test_contract_lenient(self) -> None:
        """Leniently, good flags are decided and bad ones carry their error; strictly, the document is refused."""
        if self.partly is None:
            return
        data, good, bad = self.partly
        ruleset = self.parse(data, strict=False)
        assert {key for key, flag in ruleset.flags.items() if flag.error} == set(bad)
        assert set(good) <= set(ruleset.flags)
        here = Flags(ruleset).bind(Context("user-42"))
        assert {str(here.evaluate(key).error_code) for key in bad} <= {"PARSE_ERROR"}

    def _outcome(self, data: bytes) -> Ruleset | RulesetError:
        try:
            return self.parse(data, name="flags.file")
        except RulesetError as error:
            return error

    @given(data=st.binary(max_size=300))
    def test_contract_any_bytes(self, data: bytes) -> None:
        """Whatever bytes arrive, they are a ruleset or a RulesetError with problems: no other exception."""
        outcome = self._outcome(data)
        assert isinstance(outcome, Ruleset) or outcome.problems

    @given(place=st.floats(0, 1), data=st.binary(max_size=4))
    def test_contract_damaged_documents(self, place: float, data: bytes) -> None:
        """The same for correct documents with a few bytes changed."""
        for whole in self.good.values():
            cut = int(place * len(whole))
            damaged = whole[:cut] + data + whole[cut + len(data) :]
            outcome = self._outcome(damaged)
            assert isinstance(outcome, Ruleset) or outcome.problems
