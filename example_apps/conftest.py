"""Lets pytest find the shops: each lives in a folder of its own, and shopkit beside them."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
# Behind everything else: these folders are named like the frameworks.
sys.path.extend(str(folder) for folder in (FOLDER, FOLDER / "flask", FOLDER / "starlette"))
