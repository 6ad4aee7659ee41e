"""``override_flags`` as a context manager, a function, a class and an asynchronous decorator."""

from __future__ import annotations

import asyncio
import threading
import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flagmiddleware import Context, Flags
from flagmiddleware.overrides import ACTIVE
from flagmiddleware.testing import override_flags

FLAGS = Flags(
    {
        "version": 1,
        "flags": {
            "new-checkout": {},
            "killed": {"enabled": False},
            "button": {"variants": {"blue": "#00f", "green": "#0f0"}, "off": "blue"},
        },
    }
)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = len(ACTIVE)
    yield
    assert len(ACTIVE) == before
    assert not FLAGS.is_enabled("new-checkout")


def test_block() -> None:
    """A block overrides booleans, variants and even killed flags, and restores them."""
    with override_flags({"new-checkout": True, "button": "green", "killed": True}):
        assert FLAGS.is_enabled("new-checkout")
        assert FLAGS.is_enabled("killed")
        assert FLAGS.value("button") == "#0f0"
        assert str(FLAGS.evaluate("button").reason) == "OVERRIDE"
    assert FLAGS.value("button") == "#00f"


def test_keyword_names() -> None:
    """Keyword arguments write the dash as an underscore."""
    with override_flags(new_checkout=True):
        assert FLAGS.is_enabled("new-checkout")


def test_nested() -> None:
    """An inner block adds to the outer one and gives it back; one object may be entered twice."""
    outer = override_flags(new_checkout=True)
    with outer, outer:
        with override_flags(new_checkout=False, button="green"):
            assert not FLAGS.is_enabled("new-checkout")
        assert FLAGS.is_enabled("new-checkout")
        assert FLAGS.value("button") == "#00f"


def test_restored_after_a_failure() -> None:
    """A test that fails leaves nothing behind."""
    with pytest.raises(ZeroDivisionError), override_flags(new_checkout=True):
        1 / 0  # noqa: B018


@override_flags({"new-checkout": True})
def test_decorated_function() -> None:
    """A decorated function sees the override."""
    assert FLAGS.is_enabled("new-checkout")


def test_decorated_coroutine() -> None:
    """A decorated coroutine function sees it when it runs, and tasks beside it do not."""
    seen: dict[str, bool] = {}

    @override_flags(new_checkout=True)
    async def inside() -> None:
        await asyncio.sleep(0)
        seen["inside"] = FLAGS.is_enabled("new-checkout")

    async def outside() -> None:
        await asyncio.sleep(0)
        seen["outside"] = FLAGS.is_enabled("new-checkout")

    async def both() -> None:
        await asyncio.gather(inside(), outside())

    asyncio.run(both())
    assert seen == {"inside": True, "outside": False}


@pytest.fixture
@override_flags(new_checkout=True)
def overriding_fixture() -> Iterator[bool]:
    yield FLAGS.is_enabled("new-checkout")  # noqa: PT022 - a generator, because that is what is tested


def test_decorated_fixture(overriding_fixture: bool) -> None:
    """A generator fixture keeps its override until it is torn down."""
    assert overriding_fixture
    assert FLAGS.is_enabled("new-checkout")
    with override_flags(new_checkout=False):
        assert not FLAGS.is_enabled("new-checkout")


def test_other_threads() -> None:
    """Another thread is another test: it sees nothing of the override."""
    seen: list[bool] = []
    with override_flags(new_checkout=True):
        thread = threading.Thread(target=lambda: seen.append(FLAGS.is_enabled("new-checkout")))
        thread.start()
        thread.join()
    assert seen == [False]


def test_one_object_in_many_tasks_and_threads() -> None:
    """One object entered by several tasks or threads at once restores for each what it had before."""
    override, both_in = override_flags({"new-checkout": True}), threading.Barrier(2, timeout=10)

    async def task(before: int, inside: int) -> list[bool]:
        for _ in range(before):
            await asyncio.sleep(0)
        with override:
            for _ in range(inside):
                await asyncio.sleep(0)
            seen = FLAGS.is_enabled("new-checkout")
        return [seen, FLAGS.is_enabled("new-checkout")]

    async def tasks() -> list[list[bool]]:
        return await asyncio.gather(task(0, 3), task(1, 5))

    def thread() -> list[bool]:
        with override:
            both_in.wait()
            seen = FLAGS.is_enabled("new-checkout")
            both_in.wait()
        return [seen, FLAGS.is_enabled("new-checkout")]

    assert asyncio.run(tasks()) == [[True, False]] * 2
    with ThreadPoolExecutor(2) as pool:
        assert [each.result() for each in [pool.submit(thread), pool.submit(thread)]] == [[True, False]] * 2


def test_per_user() -> None:
    """``user=`` overrides for one user, by id or by object; the others are decided as usual."""

    class User:
        pk = 7

    with override_flags(new_checkout=True, user=User()), override_flags(button="green", user="ann"):
        decided = [FLAGS.is_enabled("new-checkout", Context(key)) for key in (7, "7", "8", None)]
        assert decided == [True, True, False, False]
        assert FLAGS.value("button", Context("ann")) == "#0f0"
        assert FLAGS.value("button", Context("bob")) == "#00f"


@pytest.mark.parametrize("values", [{}, {"a": 1}, {"a": None}])
def test_bad_values(values: Any) -> None:
    """What overrides nothing, or with something that is no variant, is refused with the cure."""
    with pytest.raises(TypeError, match="override_flags"):
        override_flags(values)


def test_async_generator_refused() -> None:
    """An asynchronous generator cannot be overridden safely and is refused."""
    with pytest.raises(TypeError, match="asynchronous generator"):

        @override_flags(new_checkout=True)
        async def fixture() -> Any:
            yield 1


def test_attributes_of_a_class() -> None:
    """A callable attribute that is no method stays what it is, whatever its name."""

    class Client:
        def __call__(self, *given: Any) -> Any:
            return given

    @override_flags(new_checkout=True)
    class Suite:
        test_client = Client()

    assert Suite().test_client(1) == (1,)


@override_flags(new_checkout=True)
class TestClass:
    """A decorated class overrides for each of its tests."""

    def setup_class(cls) -> None:  # noqa: N805 - pytest takes it without the decorator, too
        assert FLAGS.is_enabled("new-checkout")

    @classmethod
    def teardown_class(cls) -> None:
        assert FLAGS.is_enabled("new-checkout")

    def setup_method(self) -> None:
        assert FLAGS.is_enabled("new-checkout")

    def test_method(self) -> None:
        """Methods see it."""
        assert FLAGS.is_enabled("new-checkout")

    @staticmethod
    def test_static() -> None:
        """Static methods see it."""
        assert FLAGS.is_enabled("new-checkout")

    @override_flags(new_checkout=False)
    def test_closer(self) -> None:
        """The closer decorator of a function is inside, but the class has wrapped it: the function's wins."""
        assert not FLAGS.is_enabled("new-checkout")


class TestSubclass(TestClass):
    def test_more(self) -> None:
        """Tests that a subclass adds see it too."""
        assert FLAGS.is_enabled("new-checkout")


@override_flags(new_checkout=True)
class UnittestClass(unittest.TestCase):
    """unittest's classes: class set-up, set-up and tests see the override."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.at_class = FLAGS.is_enabled("new-checkout")

    def setUp(self) -> None:
        self.at_set_up = FLAGS.is_enabled("new-checkout")

    def test_everywhere(self) -> None:
        """All three see it."""
        assert (self.at_class, self.at_set_up, FLAGS.is_enabled("new-checkout")) == (True, True, True)


@override_flags(new_checkout=True)
class AsyncUnittestClass(unittest.IsolatedAsyncioTestCase):
    """unittest's asynchronous classes, whose tests run in a context of their own."""

    async def asyncSetUp(self) -> None:
        self.at_set_up = FLAGS.is_enabled("new-checkout")

    async def test_asynchronous(self) -> None:
        """Set-up and test see it."""
        assert (self.at_set_up, FLAGS.is_enabled("new-checkout")) == (True, True)
