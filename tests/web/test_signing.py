"""Signatures: what is accepted, and what is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware.web.signing import Signer

OLD, NEW = "the old key, long enough", b"the new key, in bytes too"


@given(st.text(max_size=200).filter(str.isascii))
def test_signed_text_verifies(text: str) -> None:
    """What was signed verifies, whatever dots it holds."""
    signer = Signer([NEW], "test")
    assert signer.verify(signer.sign(text)) == (text, True)


@given(st.text(max_size=300))
def test_anything_else_is_refused(token: str) -> None:
    """No other text verifies, and none raises: not surrogates, not megabytes, not bytes in latin-1."""
    assert Signer([NEW], "test").verify(token) is None


@given(st.integers(0, 60), st.characters(codec="ascii", categories=["L", "N"]))
def test_a_changed_character_is_refused(place: int, character: str) -> None:
    """Changing any character of a token voids it."""
    token = Signer([NEW], "test").sign("visitor-1")
    changed = token[:place] + character + token[place + 1 :]
    assert changed == token or Signer([NEW], "test").verify(changed) is None


def test_rotation() -> None:
    """All keys verify, the first signs, what an old key signed is told as such; one taken away verifies no more."""
    token = Signer([OLD], "test").sign("x")
    assert Signer([NEW, OLD], "test").verify(token) == ("x", False)
    assert Signer([NEW, OLD], "test").verify(Signer([NEW], "test").sign("x")) == ("x", True)
    assert Signer([NEW], "test").verify(token) is None


def test_purposes_do_not_mix() -> None:
    """A visitor's cookie cannot be passed off as a QA token under the same key."""
    assert Signer([NEW], "flagmiddleware.override").verify(Signer([NEW], "flagmiddleware.visitor").sign("x")) is None


def test_golden_token() -> None:
    """The format is frozen: a change would give every visitor of every site another id."""
    assert Signer(["golden key, sixteen+"], "flagmiddleware.visitor").sign("A" * 22) == GOLDEN


GOLDEN = "AAAAAAAAAAAAAAAAAAAAAA.1c14be62aba41f4d0484d3ce7231af99"
