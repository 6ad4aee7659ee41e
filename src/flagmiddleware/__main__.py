"""``python -m flagmiddleware``: the same command as ``flags``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; who has not installed what it needs is told how to, and gets exit code 2."""
    try:
        from flagmiddleware import cli
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        print(f"flags needs {missing}: pip install 'flagmiddleware[cli]'", file=sys.stderr)
        sys.exit(2)
    cli.main()


if __name__ == "__main__":
    main()
