"""A process at work on a study: it leads, or evaluates for who leads, as long as there is something to do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dse.driver import Driver, Progress
from dse.errors import StoreError
from dse.executors.local import ThreadExecutor
from dse.executors.protocol import Executor
from dse.store.team import LeadLost, Member
from dse.team.joined import Joined
from dse.team.membership import Membership
from dse.team.shared import SharedExecutor

if TYPE_CHECKING:
    from dse.study import Study


def work(
    study: Study,
    budget: int | None,
    executor: Executor | None,
    *,
    asynchronous: bool,
    progress: Callable[[Progress], None] | None,
    stop: Callable[[], bool],
) -> float | None:
    """Work on a study until it has its budget, or is asked to stop; see `dse.study.Study.run`.

    Parameters
    ----------
    executor
        Where to evaluate; None in this process.

    Returns
    -------
    The share of the workers' time spent on evaluations; None where it is not known.
    """
    model = study.problem.model
    inner = executor or ThreadExecutor(int(getattr(model, "workers", 1)))
    membership = Membership(study.store, study.id, inner.workers)
    try:
        inner.open(model, study.space)
        while True:
            if not membership.lead():
                show = _shower(study, budget, progress)
                if not Joined(study, membership, inner, stop, show).run():
                    study.record = study.store.study(study.name)
                    return None
            study.record = study.store.study(study.name)  # what another leader has changed
            journal: set[bytes] = set()
            shared = SharedExecutor(inner, study, membership, journal)
            driver = Driver(
                study, budget, progress, stop, shared, journal, membership.me.id,
                in_process=executor is None, asynchronous=asynchronous,
            )  # fmt: skip
            try:
                driver.run()
            except LeadLost:
                membership.renew()
                continue
            finally:
                shared.close()
            return driver.utilisation
    finally:
        inner.close()
        with suppress(StoreError):  # others see that it is gone, and the first error is the one to tell
            membership.close()


def _shower(
    study: Study, budget: int | None, progress: Callable[[Progress], None] | None
) -> Callable[[Member | None], None]:
    """Return what tells the progress that another process makes."""
    if progress is None:
        return lambda leader: None

    def show(leader: Member | None) -> None:
        counts = study.counts()
        size, volume = study.store.latest(study.id)
        told = Progress(sum(counts.values()), budget, size, volume, counts)
        progress(replace(told, leader=f"{leader.host}:{leader.process}" if leader is not None else None))

    return show
