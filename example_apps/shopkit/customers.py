"""The people whom the shop knows: one for every path through the flag file."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COUNTRIES", "CUSTOMERS", "PASSWORD", "Customer", "by_email", "by_id"]

PASSWORD = "demo"
"""Everybody's password: this shop sells nothing."""

COUNTRIES = {"AU": "Australia", "NZ": "New Zealand", "DE": "Germany", "US": "United States"}
"""Where a visitor may pretend to be."""


class Customer(NamedTuple):
    """Somebody who may sign in. ``country`` is where the shop takes them to be after signing in."""

    id: str
    name: str
    email: str
    country: str
    plan: str
    is_staff: bool = False

    @property
    def note(self) -> str:
        """One line that tells this person from the others."""
        where = COUNTRIES[self.country]
        return f"{'staff, ' if self.is_staff else ''}{where}, plan {self.plan}"


CUSTOMERS = (
    Customer("ann", "Ann", "ann@yourcompany.com", "DE", "free", is_staff=True),
    Customer("user-1", "Alex", "alex@example.com", "AU", "pro"),
    Customer("user-2", "Billie", "billie@example.com", "AU", "pro"),
    Customer("user-42", "Casey", "casey@example.com", "US", "free"),
)


def by_id(id: object) -> Customer | None:
    """The customer with this id, or None."""
    return next((customer for customer in CUSTOMERS if customer.id == id), None)


def by_email(email: str) -> Customer | None:
    """The customer with this address, or None; the case of the letters does not matter.

    >>> by_email("Ann@YourCompany.com").id
    'ann'
    """
    return next((customer for customer in CUSTOMERS if customer.email == email.strip().lower()), None)
