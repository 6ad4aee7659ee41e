"""Where a shop finds its flag file, its secret, its data and its pages."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["STATIC", "TEMPLATES", "data_folder", "flag_file", "secret"]

STATIC = Path(__file__).parent / "static"
TEMPLATES = Path(__file__).parent / "templates"
"""Jinja's, for Flask and Starlette: what these name differently, each gives its templates under one name."""


def flag_file(app_folder: Path) -> Path:
    """The shop's flag file: ``SHOP_FLAGS``, else ``flags.yaml`` beside the shop."""
    return Path(os.environ.get("SHOP_FLAGS") or app_folder / "flags.yaml")


def data_folder(app_folder: Path) -> Path:
    """Where a shop keeps its database: ``SHOP_DATA``, else ``.data`` beside the shop."""
    folder = Path(os.environ.get("SHOP_DATA") or app_folder / ".data")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def secret() -> str:
    """What cookies are signed with: ``SHOP_SECRET``. The default is for a demo on your own machine only."""
    return os.environ.get("SHOP_SECRET") or "a demo secret that everybody knows"
