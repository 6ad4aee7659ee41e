"""What programs that the tests run under gevent have in common."""

from __future__ import annotations

__all__ = ["TICKING"]

TICKING = """
import gevent
ticks = 0
def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.01)
gevent.spawn(tick)
"""
"""Part of such a program, after its patches: ``ticks`` counts how often another greenlet got its turn."""
