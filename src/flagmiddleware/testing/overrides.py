"""``override_flags``: decide flags yourself for a block, a function or a class of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction, signature
from types import TracebackType
from typing import Any, Final, TypeVar
from unittest import TestCase

from ..overrides import Override, current, layered, overriding

__all__ = ["carried", "for_users", "named", "open_layer", "override_flags"]

T = TypeVar("T")

_inside: ContextVar[tuple[AbstractContextManager[None], ...]] = ContextVar("flagmiddleware_entered", default=())
"""The blocks that this thread of control has entered."""

_PYTEST: Final = ("setup_method", "teardown_method")
_PYTEST_CLASS: Final = ("setup_class", "teardown_class")
_PREPARATIONS: Final = ("setUp", "asyncSetUp", "tearDown", "asyncTearDown", *_PYTEST, *_PYTEST_CLASS)
"""What runs for each test of a class and must see the same flags as the test does."""


def named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments as flag keys: ``new_checkout`` means ``new-checkout`` (and itself, where a dialect has it).

    >>> named({"new_checkout": True, "beta": False})
    {'new_checkout': True, 'new-checkout': True, 'beta': False}
    """
    return {key: value for name, value in values.items() for key in (name, name.replace("_", "-"))}


def for_users(value: Override, users: Iterable[Any]) -> Override:
    """``value`` for these users (ids, or user objects with a ``pk`` or ``id``); the others are decided as usual."""
    wanted = {str(_identity(user)) for user in users}

    def decide(context: Any) -> bool | str | None:
        # The user first: on the web the targeting key of somebody who has not signed in would mint a visitor.
        subject = context["user"]
        if subject is None and not hasattr(context, "request"):
            subject = context.targeting_key
        if str(subject) not in wanted:
            return None
        return value(context) if callable(value) else value

    decide.reads = ("user",)  # type: ignore[attr-defined]
    return decide


def _identity(user: Any) -> Any:
    for name in ("pk", "id"):
        found = getattr(user, name, None)
        if found is not None:
            return found
    return user


class override_flags:  # noqa: N801 - used as a function, a decorator and a context manager
    """Override flags: ``True``, ``False``, a variant's name, or a function of the context.

    As a context manager, or as a decorator of functions, coroutine functions, generator fixtures and test classes.
    ``user=`` (or ``users=``) limits it to those users. It holds in this thread of control and the tasks that start
    in it; tests against a live server use ``Flags.override()``. It touches no file and no database.

    >>> from flagmiddleware import Flags
    >>> flags = Flags({"version": 1, "flags": {"new-checkout": {}}})
    >>> with override_flags({"new-checkout": True}):
    ...     flags.is_enabled("new-checkout")
    True
    >>> flags.is_enabled("new-checkout")
    False
    """

    def __init__(
        self,
        values: Mapping[str, Override] | None = None,
        /,
        *,
        user: Any = None,
        users: Iterable[Any] = (),
        **more: Override,
    ) -> None:
        everything: dict[str, Override] = {**(values or {}), **named(more)}
        if not everything:
            raise TypeError('override_flags: name at least one flag, as in override_flags({"new-checkout": True})')
        for key, value in everything.items():
            if not (isinstance(value, bool | str) or callable(value)):
                raise TypeError(f"override_flags: {key}={value!r} is not true, false, a variant's name or a function")
        only = [*users, *([] if user is None else [user])]
        self.values = {key: for_users(value, only) for key, value in everything.items()} if only else everything
        self._entered: list[AbstractContextManager[None]] = []

    def __enter__(self) -> override_flags:
        block = overriding(self.values)
        block.__enter__()
        self._entered.append(block)
        _inside.set((*_inside.get(), block))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Another thread or task may have entered the same object meanwhile: take back what was entered here.
        here = _inside.get()
        block = next((block for block in reversed(self._entered) if block in here), self._entered[-1])
        self._entered.remove(block)
        _inside.set(tuple(other for other in here if other is not block))
        block.__exit__(kind, error, traceback)

    def __call__(self, decorated: T) -> T:
        """Decorate a function or a class; each call overrides anew, so tests may run side by side."""
        if isinstance(decorated, type):
            _decorate_class(decorated, self.values)
            return decorated
        if not callable(decorated):
            raise TypeError(f"override_flags: {decorated!r} is neither a function nor a class")
        wrapped: T = _decorate(decorated, self.values)
        return wrapped

    def __repr__(self) -> str:
        return f"override_flags({self.values!r})"


def _decorate(function: Callable[..., Any], values: Mapping[str, Override]) -> Any:
    if isasyncgenfunction(function):
        # Its two halves may run in different contexts, and the override could not be taken back.
        raise TypeError("override_flags cannot decorate an asynchronous generator; use `with override_flags(…)` in it")
    if iscoroutinefunction(function):

        @wraps(function)
        async def overridden_coroutine(*args: Any, **kwargs: Any) -> Any:
            with overriding(values):
                return await function(*args, **kwargs)

        return overridden_coroutine
    if isgeneratorfunction(function):

        @wraps(function)
        def overridden_generator(*args: Any, **kwargs: Any) -> Any:
            with overriding(values):
                return (yield from function(*args, **kwargs))

        return overridden_generator

    @wraps(function)
    def overridden(*args: Any, **kwargs: Any) -> Any:
        with overriding(values):
            return function(*args, **kwargs)

    return overridden


def _decorate_class(cls: type, values: Mapping[str, Override]) -> None:
    names = [name for name in dir(cls) if name.startswith("test") or name in _PREPARATIONS]
    _decorate_methods(cls, names, values)
    if issubclass(cls, TestCase):
        _decorate_set_up_class(cls, values)
    inherited = cls.__init_subclass__

    def also_in_subclasses(subclass: type, /, **options: Any) -> None:
        inherited(**options)
        own = [name for name in vars(subclass) if name.startswith("test") or name in _PREPARATIONS]
        _decorate_methods(subclass, own, values)

    cls.__init_subclass__ = classmethod(also_in_subclasses)  # type: ignore[assignment]


def _decorate_methods(cls: type, names: Iterable[str], values: Mapping[str, Override]) -> None:
    for name in names:
        method = next((vars(home)[name] for home in cls.__mro__ if name in vars(home)), None)
        if name in _PYTEST_CLASS and method is not None:
            setattr(cls, name, _around_class(method, values))
        elif isinstance(method, staticmethod | classmethod):
            setattr(cls, name, type(method)(_decorate(method.__func__, values)))
        elif name in _PYTEST and callable(method):
            setattr(cls, name, _around_method(method, values))
        elif callable(method) and not isinstance(method, type) and hasattr(method, "__get__"):
            setattr(cls, name, _decorate(method, values))


def _around_method(function: Callable[..., Any], values: Mapping[str, Override]) -> Callable[..., Any]:
    """pytest counts the parameters in the code of these two, to see whether they want the test's method."""
    count = len(signature(function).parameters)

    @wraps(function)
    def around(self: Any, method: Any) -> Any:
        with overriding(values):
            return function(self, method) if count > 1 else function(self)

    return around


def _around_class(method: Any, values: Mapping[str, Override]) -> Any:
    """pytest calls these with the class, whether they are class methods or not."""
    function: Callable[..., Any] = getattr(method, "__func__", method)

    @wraps(function)
    def around(cls: Any) -> Any:
        with overriding(values):
            return function(cls)

    return classmethod(around)


def _decorate_set_up_class(cls: type[TestCase], values: Mapping[str, Override]) -> None:
    """Django's ``setUpTestData`` runs in here."""
    prepare = vars(cls).get("setUpClass")

    def set_up_class(subclass: type[TestCase]) -> None:
        with overriding(values):
            if prepare is not None:
                prepare.__func__(subclass)
            else:
                super(cls, subclass).setUpClass()  # type: ignore[misc]

    cls.setUpClass = classmethod(set_up_class)  # type: ignore[assignment]


def carried(function: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function that runs under the overrides of here and now, in whatever context a runner starts it."""
    layer = current()

    @wraps(function)
    async def carrying(*args: Any, **kwargs: Any) -> Any:
        with layered(layer):
            return await function(*args, **kwargs)

    return carrying


@contextmanager
def open_layer() -> Iterator[dict[str, Override]]:
    """Overrides that may still be added to and taken back while the block lasts; what the ``flags`` fixture holds."""
    values: dict[str, Override] = dict(current())
    with layered(values):
        yield values
