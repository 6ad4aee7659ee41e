"""What an ASGI server loads: ``uvicorn --app-dir example_apps/starlette asgi:app``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))  # shopkit lives beside the three shops

from starlette_shop import create_app

app = create_app()
