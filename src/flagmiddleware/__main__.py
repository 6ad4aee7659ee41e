"""``python -m flagmiddleware``: the same command as ``flags``."""

from __future__ import annotations

from flagmiddleware.cli import main

if __name__ == "__main__":
    main()
