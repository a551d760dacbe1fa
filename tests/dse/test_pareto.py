"""Pareto tools against brute force written anew, and against known values."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dse.errors import DseError
from dse.pareto import (
    ParetoArchive,
    attainment,
    attainment_differences,
    dominates,
    epsilon_additive,
    epsilon_multiplicative,
    hypervolume,
    hypervolume_contributions,
    igd_plus,
    knee_points,
    nondominated,
    nondominated_ranks,
    reference_point,
)

Matrix = np.ndarray[Any, Any]


def matrices(*, values: st.SearchStrategy[float] | None = None, least: int = 0) -> st.SearchStrategy[Matrix]:
    """Small matrices with many ties."""
    return st.tuples(st.integers(least, 12), st.integers(1, 4)).flatmap(
        lambda shape: arrays(
            float, shape, elements=st.integers(0, 4).map(float) if values is None else values
        )
    )


def beats(a: Matrix, b: Matrix) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def brute_front(points: Matrix) -> list[bool]:
    finite = [bool(np.isfinite(row).all()) for row in points]
    return [
        finite[i] and not any(finite[j] and beats(points[j], points[i]) for j in range(len(points)))
        for i in range(len(points))
    ]


def brute_volume(points: Matrix, reference: Matrix) -> float:
    """Cells of the grid through all coordinates that some point dominates."""
    inside = points[(points < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    axes = [np.unique(np.append(inside[:, k], reference[k])) for k in range(points.shape[1])]
    total = 0.0
    for corner in product(*(range(len(axis) - 1) for axis in axes)):
        low = np.array([axis[index] for axis, index in zip(axes, corner, strict=True)])
        high = np.array([axis[index + 1] for axis, index in zip(axes, corner, strict=True)])
        if (inside <= low).all(axis=1).any():
            total += float(np.prod(high - low))
    return total


with_gaps = st.one_of(st.integers(0, 4).map(float), st.sampled_from([np.nan, np.inf, -np.inf]))


@given(matrices(values=with_gaps))
def test_the_front_is_what_no_point_dominates(points: Matrix) -> None:
    assert nondominated(points).tolist() == brute_front(points)


@given(matrices(), st.data())
def test_maximising_is_minimising_the_negative(points: Matrix, data: st.DataObject) -> None:
    flips = np.array(data.draw(st.lists(st.booleans(), min_size=points.shape[1], max_size=points.shape[1])))
    turned = np.where(flips, -points, points)
    assert nondominated(turned, flips).tolist() == nondominated(points).tolist()
    assert nondominated_ranks(turned, flips).tolist() == nondominated_ranks(points).tolist()
    corner = np.full(points.shape[1], 5.0)
    turned_corner = np.where(flips, -corner, corner)
    assert hypervolume(turned, turned_corner, flips) == hypervolume(points, corner)
    lost = hypervolume_contributions(turned, turned_corner, flips)
    assert lost.tolist() == hypervolume_contributions(points, corner).tolist()
    archive = ParetoArchive(points.shape[1], flips)
    archive.add(turned, np.arange(len(points)))
    assert archive.ids.tolist() == np.flatnonzero(nondominated(points)).tolist()
    assert np.array_equal(archive.points, turned[nondominated(points)])


@given(matrices(values=with_gaps))
def test_ranks_peel_front_after_front(points: Matrix) -> None:
    expected = np.full(len(points), -1)
    left = np.isfinite(points).all(axis=1)
    rank = 0
    while left.any():
        rows = np.flatnonzero(left)
        front = rows[np.array(brute_front(points[rows]))]
        expected[front] = rank
        left[front] = False
        rank += 1
    assert nondominated_ranks(points).tolist() == expected.tolist()


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
@pytest.mark.parametrize("steps", [8, 1_000])
def test_the_front_of_many_points(objectives: int, steps: int) -> None:
    """Enough of them that sorting takes its fast ways, with few and with many ties."""
    points = np.random.default_rng(objectives).integers(0, steps, (1_500, objectives)).astype(float)
    beaten = [((points <= row).all(axis=1) & (points < row).any(axis=1)).any() for row in points]
    assert nondominated(points).tolist() == np.logical_not(beaten).tolist()


@given(matrices(least=1), st.data())
def test_dominance_is_row_by_row(points: Matrix, data: st.DataObject) -> None:
    others = points[data.draw(st.permutations(range(len(points))))]
    assert dominates(points, others).tolist() == [beats(a, b) for a, b in zip(points, others, strict=True)]
    assert dominates(points[:1], others).tolist() == [beats(points[0], row) for row in others]
    turned = np.ones(points.shape[1], dtype=bool)
    assert dominates(-points, -others, turned).tolist() == dominates(points, others).tolist()


def test_what_is_not_finite_neither_dominates_nor_is_dominated() -> None:
    odd = np.array([[-np.inf, 0.0], [np.nan, 0.0], [np.inf, 9.0]])
    assert not dominates(odd, [[5.0, 5.0]]).any()
    assert not dominates([[0.0, 0.0]], odd).any()


@settings(deadline=None)
@given(matrices(values=st.one_of(st.integers(0, 5).map(float), st.just(np.nan))))
def test_hypervolume_is_the_dominated_volume(points: Matrix) -> None:
    reference = np.full(points.shape[1], 4.5)
    finite = points[np.isfinite(points).all(axis=1)]
    assert hypervolume(points, reference) == pytest.approx(brute_volume(finite, reference))


@settings(deadline=None)
@given(matrices(values=st.one_of(st.integers(0, 5).map(float), st.just(np.nan))))
def test_contributions_are_what_is_lost_without_a_point(points: Matrix) -> None:
    reference = np.full(points.shape[1], 4.5)
    whole = hypervolume(points, reference)
    expected = [whole - hypervolume(np.delete(points, row, axis=0), reference) for row in range(len(points))]
    assert hypervolume_contributions(points, reference).tolist() == pytest.approx(expected, abs=1e-9)


@given(matrices(least=1), st.data())
def test_indicators_are_their_definitions(points: Matrix, data: st.DataObject) -> None:
    wanted = data.draw(arrays(float, (3, points.shape[1]), elements=st.integers(0, 4).map(float)))
    additive = max(min(max(p - r) for p in points) for r in wanted)
    assert epsilon_additive(points, wanted) == pytest.approx(additive)
    factor = max(min(max((p + 1) / (r + 1)) for p in points) for r in wanted)
    assert epsilon_multiplicative(points + 1, wanted + 1) == pytest.approx(factor)
    distance = np.mean([min(np.linalg.norm(np.maximum(p - r, 0)) for p in points) for r in wanted])
    assert igd_plus(points, wanted) == pytest.approx(distance)
    flips = np.ones(points.shape[1], dtype=bool)
    assert epsilon_additive(-points, -wanted, flips) == pytest.approx(additive)
    inverse = max(min(max(r / p) for p in points + 1) for r in wanted + 1)
    assert epsilon_multiplicative(points + 1, wanted + 1, flips) == pytest.approx(inverse)


def test_a_front_reaches_itself() -> None:
    front = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]])
    assert epsilon_additive(front, front) == 0
    assert epsilon_multiplicative(front, front) == 1
    assert igd_plus(front, front) == 0


@settings(deadline=None)
@given(matrices(values=with_gaps), st.data())
def test_the_archive_is_the_front_however_points_come(points: Matrix, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(points))))
    archive = ParetoArchive(points.shape[1])
    members: set[int] = set()
    start = 0
    while start < len(points):
        size = data.draw(st.integers(1, len(points)))
        rows = np.array(order[start : start + size], dtype=int)
        change = archive.add(points[rows], rows)
        assert set(change.removed.tolist()) <= members
        members = (members - set(change.removed.tolist())) | set(change.added.tolist())
        assert members == set(archive.ids.tolist())
        start += size
    assert archive.ids.tolist() == np.flatnonzero(nondominated(points)).tolist()
    assert np.array_equal(archive.points, points[archive.ids])
    assert len(archive) == len(members)


@pytest.mark.parametrize("objectives", [1, 2, 3, 5])
@pytest.mark.parametrize("batch", [100, 7_000])
def test_the_archive_stays_exact_when_it_is_large(objectives: int, batch: int) -> None:
    """Near a sphere, so that much of what is added is on the front; on a grid, so that points tie."""
    rng = np.random.default_rng(objectives)
    points = np.abs(rng.standard_normal((21_000, objectives)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points = np.round(1 - points * rng.uniform(0.8, 1.0, (len(points), 1)), 3)
    archive = ParetoArchive(objectives)
    for start in range(0, len(points), batch):
        archive.add(points[start : start + batch], np.arange(start, min(start + batch, len(points))))
    assert archive.ids.tolist() == np.flatnonzero(nondominated(points)).tolist()


def test_a_dominated_point_takes_the_place_of_the_one_before_it() -> None:
    points = np.array([[1.0, 5.0], [4.0, 2.0], [4.0, 4.0], [4.0, 5.0], [1.0, 5.0]])
    assert hypervolume_contributions(points, [6, 6]).tolist() == [0, 4, 0, 0, 0]
    assert hypervolume_contributions(points[:2], [6, 6]).tolist() == [3, 6]


@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("batch", [100, 1_000])
def test_the_archive_of_a_very_large_front(objectives: int, batch: int) -> None:
    """All on a sphere, with ties, and some just behind it: longer than any of the archive's slices."""
    rng = np.random.default_rng(objectives)
    points = np.abs(rng.standard_normal((24_000, objectives)))
    points = 1 - points / np.linalg.norm(points, axis=1, keepdims=True)
    late = points[rng.integers(0, len(points), 3_000)]
    late[::3] += 1e-9
    late[1::3, 0] -= 1e-9
    points = np.concatenate([points, late])
    archive = ParetoArchive(objectives)
    archive.add(points[:20_000], np.arange(20_000))
    for start in range(20_000, len(points), batch):
        archive.add(points[start : start + batch], np.arange(start, min(start + batch, len(points))))
    assert archive.ids.tolist() == np.flatnonzero(nondominated(points)).tolist()
    assert len(archive) > 20_000


def test_what_an_archive_hands_out_cannot_change_it() -> None:
    archive = ParetoArchive(2)
    points = np.array([[1.0, 2.0], [2.0, 1.0]])
    archive.add(points, [0, 1])
    points[:] = 9
    archive.points[:] = 9
    with pytest.raises(ValueError, match="read-only"):
        archive.ids[0] = 7
    assert archive.points.tolist() == [[1, 2], [2, 1]]


def test_known_hypervolumes() -> None:
    # A quarter of the unit disc, approached from outside by a fine front: 1 - pi / 4.
    angle = np.linspace(0, np.pi / 2, 20_001)
    disc = np.column_stack([1 - np.cos(angle), 1 - np.sin(angle)])
    assert hypervolume(disc, [1, 1]) == pytest.approx(np.pi / 4, abs=1e-4)
    # ZDT1's front, f2 = 1 - sqrt(f1) (Zitzler, Deb and Thiele 2000): a square less the third below it.
    f1 = np.linspace(0, 1, 20_001)
    zdt1 = np.column_stack([f1, 1 - np.sqrt(f1)])
    assert hypervolume(zdt1, [1.1, 1.1]) == pytest.approx(1.21 - 1 / 3, abs=1e-4)
    # DTLZ1's front is the plane f1 + f2 + f3 = 1/2 (Deb et al. 2002): a cube less the simplex below it.
    low, high = np.meshgrid(np.arange(201), np.arange(201))
    inside = low + high <= 200
    dtlz1 = np.column_stack([low[inside], high[inside], 200 - low[inside] - high[inside]]) / 400
    assert hypervolume(dtlz1, [0.5] * 3) == pytest.approx(1 / 8 - 1 / 48, abs=1e-3)
    assert hypervolume(np.array([[1.0, 1.0, 1.0]]), [2, 3, 4]) == 6


def test_reference_points_are_beyond_the_front() -> None:
    points = np.array([[0.0, 10.0], [5.0, 0.0], [9.0, 9.0]])
    assert reference_point(points).tolist() == [5.5, 11.0]
    assert reference_point(-points, maximize=[True, True]).tolist() == [-5.5, -11.0]
    assert reference_point(np.array([[2.0, 0.0]])).tolist() == pytest.approx([2.2, 0.1])


def test_knees_are_where_the_front_bends() -> None:
    x = np.linspace(0.01, 1, 200)
    bend = np.column_stack([x, 0.01 / x])
    assert bend[knee_points(bend, 1)[0]] == pytest.approx([0.1, 0.1], rel=0.05)
    bent = np.array([[0.0, 4.0], [1.0, 1.0], [4.0, 0.0], [5.0, 5.0]])
    assert knee_points(bent, 1).tolist() == [1]
    assert knee_points(-bent, 1, maximize=[True, True]).tolist() == [1]


@given(arrays(float, (10, 2), elements=st.floats(0, 100)))
def test_the_first_knee_is_farthest_below_the_line_through_the_ends(points: Matrix) -> None:
    front = points[brute_front(points)]
    left, right = front[front[:, 0].argmin()], front[front[:, 1].argmin()]
    scale = right[0] - left[0], left[1] - right[1]
    assume(min(scale) > 1e-3)
    # The line runs through (0, 1) and (1, 0), once both objectives are scaled to the range between the ends.
    below = [1 - (x - left[0]) / scale[0] - (y - right[1]) / scale[1] for x, y in front]
    assert below[knee_points(front, 1)[0]] == pytest.approx(max(below), abs=1e-9)


def test_knees_are_apart_on_the_front_and_of_equal_ones_the_first() -> None:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi / 2, 500)
    points = np.column_stack([1 - np.cos(angle), 1 - np.sin(angle)])
    knees = knee_points(points, 3)
    assert nondominated(points)[knees].all()
    gaps = np.abs(points[knees][:, None] - points[knees][None]).max(axis=2)
    assert gaps[~np.eye(3, dtype=bool)].min() >= 0.1
    assert knee_points(np.ones((4, 2))).tolist() == [0]


@pytest.mark.parametrize("objectives", [1, 2, 3, 6])
def test_knees_of_degenerate_fronts(objectives: int) -> None:
    assert knee_points(np.empty((0, objectives))).tolist() == []
    assert knee_points(np.full((1, objectives), np.nan)).tolist() == []
    assert knee_points(np.zeros((1, objectives))).tolist() == [0]
    flat = np.zeros((3, objectives))
    flat[:, 0] = [0, 1, 2]
    assert knee_points(flat).tolist() == [0]


def test_attainment_surfaces_by_hand() -> None:
    runs = [np.array([[1.0, 3.0], [3.0, 1.0]]), np.array([[2.0, 2.0]])]
    surfaces = attainment(runs, [0.5, 1.0])
    assert sorted(surfaces[0.5].tolist()) == [[1, 3], [2, 2], [3, 1]]
    assert sorted(surfaces[1.0].tolist()) == [[2, 3], [3, 2]]
    four = [np.array([[float(run), float(run)]]) for run in range(4)]
    for level, attained in {0.25: 0, 0.3: 1, 0.5: 1, 0.75: 2, 1.0: 3}.items():
        assert attainment(four, [level])[level].tolist() == [[attained, attained]]
    turned = attainment([-run for run in runs], [1.0], maximize=[True, True])
    assert sorted(turned[1.0].tolist()) == [[-3, -2], [-2, -3]]


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_differences_of_attainment_are_shares_of_runs(seed: int, turned: bool) -> None:
    rng = np.random.default_rng(seed)
    sides = [[rng.integers(0, 9, (4, 2)).astype(float) for _ in range(5)] for _ in range(2)]
    flips = [False, turned]
    signs = np.where(flips, -1.0, 1.0)
    given_sides = [[front * signs for front in side] for side in sides]
    found = attainment_differences(given_sides[0], given_sides[1], maximize=flips)
    best, worst = found[:, :2] * signs, found[:, 2:4] * signs
    for point in rng.uniform(0, 9, (20, 2)):
        counts = [sum((front <= point).all(axis=1).any() for front in side) for side in sides]
        inside = ((best <= point) & (point < worst)).all(axis=1)
        assert found[inside, 4].sum() == pytest.approx((counts[0] - counts[1]) / 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nondominated([1.0, 2.0]), r"shape \(2,\)"),
        (lambda: nondominated([["a", "b"]]), "points are no matrix of numbers"),
        (lambda: dominates(np.ones((2, 2)), np.ones((3, 2))), r"a \(2, 2\) and b \(3, 2\) do not fit"),
        (lambda: knee_points([[1.0, 2.0]], 0), "count 0 is no number of knees"),
        (lambda: reference_point([[1.0, 2.0]], -1), "margin -1 is no distance"),
        (lambda: igd_plus([[1.0, 2.0]], [[1.0, np.nan]]), "reference_set is empty or not finite"),
        (lambda: attainment([[[1.0, 2.0]], [[np.nan, 2.0]]]), r"fronts\[1\] holds no finite point"),
        (lambda: attainment([[[1.0, 2.0]], [[1.0, 2.0, 3.0]]]), "all of two or all of three"),
        (lambda: ParetoArchive(0), "objectives 0"),
        (lambda: ParetoArchive(2, [True]), "maximize has 1 entries for 2"),
        (lambda: ParetoArchive(2).add([[1.0, 2.0]], [0.5]), "no whole numbers"),
        (lambda: nondominated([[1.0, 2.0]], [True]), "maximize has 1 entries for 2 objectives"),
        (lambda: hypervolume([[1.0, 2.0]], [3.0]), "needs 2 finite values"),
        (lambda: hypervolume([[1.0, 2.0]], [3.0, np.nan]), "needs 2 finite values"),
        (lambda: hypervolume([[1.0, 2.0]], ["a", "b"]), "no list of numbers"),
        (lambda: igd_plus(np.empty((0, 2)), [[1.0, 2.0]]), "at least one finite point"),
        (lambda: igd_plus([[1.0, 2.0]], [[1.0]]), "points have 2 objectives, the reference set has 1"),
        (
            lambda: epsilon_multiplicative([[0.0, 1.0]], [[1.0, 1.0]]),
            "points hold 0: .* use epsilon_additive",
        ),
        (lambda: reference_point([[np.nan]]), "at least one finite point"),
        (lambda: attainment([], [0.5]), "at least one front"),
        (lambda: attainment_differences([[[1.0, 2.0]]], []), "1 runs and 0 runs"),
        (lambda: attainment_differences([[[1.0] * 3]], [[[1.0] * 3]]), "fronts of two objectives"),
        (lambda: attainment([[[1.0, 2.0]]], [0.0]), "level 0.0 is no share"),
        (lambda: ParetoArchive(2).add([[1.0, 2.0]], [1, 2]), "do not fit an archive of 2"),
        (lambda: ParetoArchive(3).add([[1.0, 2.0]], [1]), "do not fit an archive of 3"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(DseError, match=message):
        call()
