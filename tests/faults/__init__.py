"""Faults, injected for real: what a deployment meets sooner or later, and what must hold while it does."""
