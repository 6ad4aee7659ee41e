"""The ``flags`` command: Click and Rich live here and nowhere else.

An adapter hands over its own ``Flags``: ``flags(args, obj=lambda: my_flags)``, or a group of its own from
:func:`group_for`. On the plain command line they are built from ``--source``, the environment or ``pyproject.toml``.
"""

from __future__ import annotations

from .app import flags, group_for, main

__all__ = ["flags", "group_for", "main"]
