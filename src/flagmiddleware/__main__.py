"""``python -m flagmiddleware``: the same command as ``flags``."""

from __future__ import annotations

import sys

from flagmiddleware.errors import ConfigurationError
from flagmiddleware.extras import needs_cli

__all__ = ["main"]


def main() -> None:
    """Run the command line; who has not installed what it needs is told how to, and gets exit code 2."""
    try:
        with needs_cli():
            from flagmiddleware import cli
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    cli.main()


if __name__ == "__main__":
    main()
