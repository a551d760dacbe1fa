"""What an executor has to do."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol, runtime_checkable

from dse.designs import Designs
from dse.models import CostModel, Outcome
from dse.space import Space


class Lost(Exception):  # noqa: N818 -- an outcome, not a defect
    """Why a chunk of designs has no outcome: what evaluated it died, or ran out of time.

    Parameters
    ----------
    reason
        One line.
    timeout
        Whether the time limit ended it.
    seconds
        That were spent.
    killed
        Whether somebody else may have ended it, as an administrator or the out-of-memory killer does: it is
        then evaluated once more before it is taken to have failed.
    """

    def __init__(
        self, reason: str, timeout: bool = False, seconds: float = 0.0, killed: bool = False
    ) -> None:
        super().__init__(reason, timeout, seconds, killed)
        self.reason = reason
        self.timeout = timeout
        self.seconds = seconds
        self.killed = killed


@runtime_checkable
class Executor(Protocol):
    """Evaluates chunks of designs, several at a time.

    Attributes
    ----------
    workers
        How many chunks at a time.
    """

    @property
    def workers(self) -> int: ...

    def open(self, model: CostModel, space: Space) -> None:
        """Make ready to evaluate a model on designs of a space.

        Raises
        ------
        ExecutorError
            If the model cannot be sent to where it would be evaluated, or what evaluates cannot start.
        """
        ...

    def submit(self, designs: Designs) -> Future[Outcome]:
        """Begin to evaluate a chunk of designs.

        Returns
        -------
        The outcome to be, as `dse.models.run_model` returns it. It raises `Lost` where there is none: a
        chunk of several designs is then submitted again in parts, until the one to blame is alone. Anything
        else that it raises ends the run.
        """
        ...

    def close(self) -> None:
        """Stop at once; nothing that was started is left running."""
        ...
