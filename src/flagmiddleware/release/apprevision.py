"""Which revision of the application a change of flags was made with."""

from __future__ import annotations

import os
from pathlib import Path

from .git import GitError, Repository

__all__ = ["app_revision"]

_VARIABLE = "FLAGMIDDLEWARE_APP_REVISION"


def app_revision(folder: str | Path | None = None) -> str:
    """The variable FLAGMIDDLEWARE_APP_REVISION, else the git commit of ``folder`` (default: where we are), else empty.

    Containers usually have no git: whoever deploys them sets the variable.
    """
    told = os.environ.get(_VARIABLE)
    if told is not None:
        return told
    try:
        return Repository.around(Path(folder or os.getcwd())).resolve("HEAD")
    except (GitError, OSError):
        return ""
