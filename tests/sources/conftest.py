"""What the bare environment leaves out: the tests of the sources that need a client library."""

from __future__ import annotations

import os

# They import urllib3, psycopg or redis, which tox's `bare` does without on purpose; its `wheel` runs them all.
_NEED_A_CLIENT = [
    "test_composed_source.py",
    "test_http_source.py",
    "test_postgres_source.py",
    "test_redis_source.py",
    "test_refresher.py",
    "test_source_address.py",
    "test_source_contract.py",
    "test_source_settings.py",
    "test_vendor_sources.py",
]

collect_ignore = _NEED_A_CLIENT if "FLAGMIDDLEWARE_BARE" in os.environ else []
