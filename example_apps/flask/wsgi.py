"""What a WSGI server loads: ``gunicorn --chdir example_apps/flask wsgi:app``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))  # shopkit lives beside the three shops

from flask_shop import create_app

app = create_app()
