"""The front that searchers are measured by: of all designs, or the best that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dse.errors import StudyError
from dse.evaluations import State
from dse.pareto import ParetoArchive, reference_point
from dse.problem import Problem
from dse.study import StudyView

if TYPE_CHECKING:
    import pandas as pd

    from dse.store import Store

Floats = NDArray[np.float64]

WALK = 50_000_000  # designs that are walked for the exact front
CHUNK = 100_000
TABLES = (".csv", ".parquet")


@dataclass(frozen=True)
class Reference:
    """The front that searchers are measured by.

    Attributes
    ----------
    points
        Its objectives (n, m), each once, minimised: those to be maximised have their sign changed.
    corner
        The reference point of hypervolumes (m,), minimised: where every objective declares one, and a point
        of the front lies within, that; else a tenth of the front's range beyond its worst values.
    exact
        Whether it is that of all designs, or the best that is known.
    designs
        How many designs it is the front of: of the space, or evaluations and given points.
    source
        Where it is from, in words.
    """

    points: Floats
    corner: Floats
    exact: bool
    designs: int
    source: str = ""

    @property
    def kind(self) -> str:
        """What to call it: ``exact`` or ``best known``."""
        return "exact" if self.exact else "best known"


def exact_front(problem: Problem) -> tuple[Floats, int]:
    """Walk all designs and return the front's distinct objectives (n, m), minimised, and their number.

    Memory is that of the front and of one chunk.

    Raises
    ------
    SpaceError
        If a parameter is real.
    """
    archive = ParetoArchive(len(problem.objectives))
    count = 0
    for designs in problem.space.enumerate(CHUNK):
        found = problem.evaluate(designs)
        points = np.where((found.state == State.COMPLETE.value)[:, None], found.objectives, np.nan)
        archive.add(points, np.arange(count, count + len(designs)))
        count += len(designs)
    return np.unique(archive.points, axis=0), count


def exact_reference(problem: Problem) -> Reference:
    """Return the exact front of a problem as a reference; raise `StudyError` if no design is feasible."""
    points, count = exact_front(problem)
    return Reference(points, _corner(problem, points), True, count, f"all {count:,} designs")


def best_known(problem: Problem, store: Store, own: Sequence[str], given: GivenFront | None) -> Reference:
    """Return the best front that is known of a problem.

    Parameters
    ----------
    problem
        The problem.
    store
        Every study in it with the problem's fingerprint counts, whoever made it.
    own
        Names of the studies that are being compared.
    given
        A front from elsewhere.

    Raises
    ------
    StudyError
        If no feasible design is known.
    """
    fronts, evaluations, others = [np.empty((0, len(problem.objectives)))], 0, 0
    for record in store.studies():
        if record.fingerprint != problem.fingerprint:
            continue
        view = StudyView(record.name, store)
        fronts.append(view.front_objectives() * problem.signs)
        evaluations += len(view)
        others += record.name not in set(own)
    sources = ["these runs"]
    if others:
        sources.append(f"{others:,} other stored {'study' if others == 1 else 'studies'} of the same problem")
    if given is not None:
        fronts.append(given.points)
        evaluations += len(given.points)
        sources.append(f"{given.name} ({len(given.points):,})")
    together = np.concatenate(fronts)
    archive = ParetoArchive(len(problem.objectives))
    archive.add(together, np.arange(len(together)))
    points = np.unique(archive.points, axis=0)
    return Reference(points, _corner(problem, points), False, evaluations, " and ".join(sources))


def walkable(problem: Problem) -> bool:
    """Return whether the exact front is found by default."""
    return problem.space.count() <= WALK


def _corner(problem: Problem, points: Floats) -> Floats:
    if not len(points):
        raise StudyError("no feasible design is known: nothing can be compared")
    declared = [objective.reference for objective in problem.objectives]
    if all(value is not None for value in declared):
        corner = np.array(declared, float) * problem.signs
        # Beyond it a front has no hypervolume, of which nothing is a fraction.
        if (points < corner).all(axis=1).any():
            return corner
    return reference_point(points)


@dataclass(frozen=True)
class GivenFront:
    """Points (n, m), minimised, that are known from elsewhere, and what to call them."""

    points: Floats
    name: str


def given_front(source: str | Path | pd.DataFrame, problem: Problem, store: str) -> GivenFront:
    """Return a front from elsewhere.

    Parameters
    ----------
    source
        A table with a column for each objective, in its own unit: a data frame, or a file that ends in
        ``.csv`` or ``.parquet``; else the name of a study in the store.
    problem
        Whose objectives they are.
    store
        The store's URL.

    Raises
    ------
    StudyError
        If it cannot be read, lacks an objective, or holds what is no number.
    """
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return _from_table(source, problem, "the given table")
    if Path(source).suffix in TABLES:
        path = Path(source)
        try:
            frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        except FileNotFoundError:
            raise StudyError(
                f"front {str(source)!r}: there is no such file; give a table or a stored study's name"
            ) from None
        except (OSError, ValueError) as error:
            raise StudyError(f"front {str(source)!r} cannot be read: {error}") from error
        return _from_table(frame, problem, repr(str(source)))
    view = StudyView(str(source), store)
    for objective in problem.objectives:
        known = view.metrics.get(objective.metric)
        if known is not None and known.unit != problem.metrics[objective.metric].unit:
            raise StudyError(
                f"front {str(source)!r} has {known.label}, the problem "
                f"{problem.metrics[objective.metric].label}: fronts of one unit are compared"
            )
    return _from_table(view.front(), problem, f"study {str(source)!r}")


def _from_table(frame: pd.DataFrame, problem: Problem, name: str) -> GivenFront:
    metrics = [objective.metric for objective in problem.objectives]
    missing = [metric for metric in metrics if metric not in frame]
    if missing:
        raise StudyError(
            f"front {name} lacks the objective {missing[0]!r}; its columns are {', '.join(map(str, frame))}"
        )
    try:
        points = frame[metrics].to_numpy(float)
    except (TypeError, ValueError) as error:
        raise StudyError(f"front {name} holds what is no number: {error}") from None
    if not len(points) or not np.isfinite(points).all():
        raise StudyError(f"front {name} must hold finite numbers, in one row or more")
    return GivenFront(points * problem.signs, name)
