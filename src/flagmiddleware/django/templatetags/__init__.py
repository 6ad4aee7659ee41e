"""``{% load flags %}``."""
