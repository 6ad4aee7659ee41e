"""RQ: a job decides flags for whoever enqueued it, under the plan of the worker that runs it."""

from __future__ import annotations

from typing import Any, Final, cast

from rq.job import Job

from . import flags_context
from .flags import Flags
from .web.current import running_flags

__all__ = ["FlagsJob"]

_META: Final = "flagmiddleware"


class FlagsJob(Job):
    """``Queue(job_class=FlagsJob)`` and ``rq worker --job-class flagmiddleware.rq.FlagsJob``.

    A subclass names the ``attributes`` that jobs may ask for besides the targeting key, and returns the worker's
    flags from :meth:`worker_flags` where no middleware is installed in the worker.
    """

    attributes: tuple[str, ...] = ()

    @classmethod
    def worker_flags(cls) -> Flags | None:
        """The worker's ``Flags``; None: those of the only middleware in the process."""
        return None

    @classmethod
    def create(cls, *args: Any, **kwargs: Any) -> FlagsJob:
        """Note who enqueues the job."""
        here = running_flags()
        if here is not None:
            payload = flags_context.dump(*cls.attributes, here=here)
            kwargs["meta"] = {_META: payload, **(kwargs.get("meta") or {})}
        return cast(FlagsJob, super().create(*args, **kwargs))

    def perform(self) -> Any:
        """Run the job with the flags of that subject."""
        payload = self.meta.get(_META)
        if payload is None:
            return super().perform()
        with flags_context.load(payload, self.worker_flags()):
            return super().perform()
