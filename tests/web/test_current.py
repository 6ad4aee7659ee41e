"""current_flags() where there is a request, and where there is none."""

from __future__ import annotations

import gc
import threading

import pytest

from flagmiddleware import ConfigurationError
from flagmiddleware.web.current import activate, current_flags, deactivate

from .doubles import document, install


@pytest.fixture
def alone() -> None:
    """No installation of another test is alive."""
    from flagmiddleware.web import current

    gc.collect()
    for installation in list(current._installed):
        installation.close()


@pytest.mark.usefixtures("alone")
def test_outside_a_request() -> None:
    """Outside a request there must be exactly one installation; its flags are bound to nobody in particular."""
    with pytest.raises(ConfigurationError, match="no FlagMiddleware is installed"):
        current_flags()
    first = install(document(a={"path": {"exists": False}}))
    assert current_flags().is_enabled("a")
    second = install(document())
    with pytest.raises(ConfigurationError, match="2 FlagMiddleware"):
        current_flags()
    second.close()
    assert current_flags().flags is first.flags


@pytest.mark.usefixtures("alone")
def test_threads_do_not_see_each_other() -> None:
    """What is current in one thread is not in another."""
    installation = install(document())
    here = installation.begin({})
    token = activate(here)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(current_flags()))
    thread.start()
    thread.join()
    assert current_flags() is here
    assert seen != [here]
    deactivate(token)
    assert current_flags() is not here


def test_nested_requests_restore() -> None:
    """A request inside another (a test client in a view) gives the outer one its flags back."""
    outer, inner = install(document()).begin({}), install(document()).begin({})
    first = activate(outer)
    second = activate(inner)
    assert current_flags() is inner
    deactivate(second)
    assert current_flags() is outer
    deactivate(first)


def test_token_of_another_context() -> None:
    """A generator that is closed in another thread than it ran in fails nothing."""
    tokens = []
    thread = threading.Thread(target=lambda: tokens.append(activate(install(document()).begin({}))))
    thread.start()
    thread.join()
    deactivate(tokens[0])
