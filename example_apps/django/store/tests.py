"""The Django shop's own tests (``manage.py test``): what a team writes that builds on flags."""

from __future__ import annotations

import re
from typing import Any

from django.core.management import call_command
from django.test import Client, TestCase

from flagmiddleware.testing import override_flags

from .models import Customer, Order


def heading(answer: Any) -> str:
    """A page's main heading."""
    return re.findall("<h1>(.*?)</h1>", answer.content.decode())[0]


class ShopTests(TestCase):
    """A browser at the shop."""

    def setUp(self) -> None:
        """Somebody with a pot in the basket."""
        self.client.post("/basket/add", {"slug": "glass-pot"})

    @override_flags({"new-checkout": True})
    def test_the_new_checkout(self) -> None:
        """One page, and an order in the database without the card's number."""
        assert heading(self.client.get("/checkout/")) == "Check out on one page"
        answers = {"name": "Ann", "street": "1 Wharf Rd", "city": "Sydney", "postcode": "2000"}
        answer = self.client.post("/checkout/", {**answers, "card": "4111 1111 1111 1111"}, follow=True)
        assert heading(answer) == "Thank you, Ann"
        assert "card" not in vars(Order.objects.get())

    @override_flags({"new-checkout": False})
    def test_the_old_checkout(self) -> None:
        """Three steps."""
        assert heading(self.client.get("/checkout/", follow=True)) == "Check out in three steps"

    def test_wrong_answers_come_back_with_words(self) -> None:
        """What is wrong stands at its field, and the card's number is not repeated."""
        with override_flags({"new-checkout": True}):
            answer = self.client.post("/checkout/", {"name": "Ann", "card": "1234"})
        self.assertContains(answer, "Card number needs 16 digits; this has 4.", status_code=422)
        self.assertNotContains(answer, 'value="1234"', status_code=422)

    def test_the_catalogue_asks_nothing_about_the_visitor(self) -> None:
        """One query for the products, none for session or user: a proxy may keep the page."""
        client = Client()
        client.force_login(Customer.objects.get(pk="ann"))
        client.get("/")
        with self.assertNumQueries(1):
            answer = client.get("/")
        assert "Cookie" not in answer.headers.get("Vary", "")

    def test_odd_orders_are_refused(self) -> None:
        """Unknown products and absurd quantities leave the basket alone."""
        self.client.post("/basket/add", {"slug": "yacht"})
        for quantity in ("-1", "100", "x", ""):
            self.client.post("/basket/change", {"slug": "glass-pot", "quantity": quantity})
        assert self.client.session["basket"] == {"glass-pot": 1}

    def test_a_form_without_its_token_is_refused(self) -> None:
        """Nobody is signed in by another site's form."""
        client = Client(enforce_csrf_checks=True)
        assert client.post("/account/sign-in", {"as": "ann"}).status_code == 403

    def test_nothing_to_complain_about(self) -> None:
        """Settings, middleware order, flag keys and migrations are as they should be."""
        call_command("check", fail_level="WARNING")
        call_command("makemigrations", "--check", "--dry-run", verbosity=0)
