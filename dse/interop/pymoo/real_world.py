"""Design problems from engineering, with the formulas of the RE suite.

R. Tanabe, H. Ishibuchi, "An easy-to-use real-world multi-objective optimization problem suite", Appl. Soft
Comput. 89, 106078, 2020 (arXiv:2009.12867), and its supplementary file: formulas, constants and bounds are
theirs, who state where each problem is from. RE21 and RE25 have the constants that the authors corrected in
2020 (young's modulus 2e5, shear modulus 11.5e6).

In an ``re`` problem the sum of violations of the original constraints is the last objective; in a ``cre``
problem the constraints are limits, under which fronts are those of engineers. Variables that the authors
round (to a whole number, a listed area or diameter) are `Integer` and `Ordinal` here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.space import Integer, Ordinal, Parameter, Real

Array = NDArray[Any]
Result = tuple[Sequence[Array], Sequence[Array]]

# Areas of reinforcement, square inches (RE22), and diameters of wire, inches (RE25), in Tanabe and Ishibuchi.
AREAS = (
    0.2, 0.31, 0.4, 0.44, 0.6, 0.62, 0.79, 0.8, 0.88, 0.93, 1.0, 1.2, 1.24, 1.32, 1.4, 1.55, 1.58, 1.6, 1.76,
    1.8, 1.86, 2.0, 2.17, 2.2, 2.37, 2.4, 2.48, 2.6, 2.64, 2.79, 2.8, 3.0, 3.08, 3.1, 3.16, 3.41, 3.52, 3.6,
    3.72, 3.95, 3.96, 4.0, 4.03, 4.2, 4.34, 4.4, 4.65, 4.74, 4.8, 4.84, 5.0, 5.28, 5.4, 5.53, 5.72, 6.0, 6.16,
    6.32, 6.6, 7.11, 7.2, 7.8, 7.9, 8.0, 8.4, 8.69, 9.0, 9.48, 10.27, 11.0, 11.06, 11.85, 12.0, 13.0, 14.0,
    15.0,
)  # fmt: skip
WIRES = (
    0.009, 0.0095, 0.0104, 0.0118, 0.0128, 0.0132, 0.014, 0.015, 0.0162, 0.0173, 0.018, 0.02, 0.023, 0.025,
    0.028, 0.032, 0.035, 0.041, 0.047, 0.054, 0.063, 0.072, 0.08, 0.092, 0.105, 0.12, 0.135, 0.148, 0.162,
    0.177, 0.192, 0.207, 0.225, 0.244, 0.263, 0.283, 0.307, 0.331, 0.362, 0.394, 0.4375, 0.5,
)  # fmt: skip


@dataclass(frozen=True)
class RealWorld:
    """One problem.

    Attributes
    ----------
    title
        What is designed.
    parameters
        The variables x1, x2, ...
    formulas
        Returns, of the columns of the variables, the objectives, and the constraints, which hold where they
        are not negative.
    """

    title: str
    parameters: tuple[Parameter, ...]
    formulas: Callable[..., Result]

    def evaluate(self, columns: Mapping[str, Array]) -> Result:
        """Return the objectives and the constraints, arrays (n,)."""
        with np.errstate(all="ignore"):
            return self.formulas(*(np.asarray(columns[item.name], float) for item in self.parameters))


def _reals(*bounds: tuple[float, float]) -> tuple[Parameter, ...]:
    return tuple(Real(f"x{place}", low, high) for place, (low, high) in enumerate(bounds, 1))


def four_bar_truss(x1: Array, x2: Array, x3: Array, x4: Array) -> Result:
    """Return volume (cm³) and displacement of the joint (cm) for the areas of four bars (cm²)."""
    force, length, modulus = 10.0, 200.0, 2e5
    root = np.sqrt(2.0)
    volume = length * (2 * x1 + root * x2 + np.sqrt(x3) + x4)
    displacement = force * length / modulus * (2 / x1 + 2 * root / x2 - 2 * root / x3 + 2 / x4)
    return (volume, displacement), ()


def reinforced_beam(x1: Array, x2: Array, x3: Array) -> Result:
    """Return the cost of a concrete beam of width x2 and depth x3 (inches) with reinforcement x1."""
    return (29.4 * x1 + 0.6 * x2 * x3,), (x1 * x3 - 7.735 * x1**2 / x2 - 180.0, 4.0 - x3 / x2)


def pressure_vessel(x1: Array, x2: Array, x3: Array, x4: Array) -> Result:
    """Return the cost of a vessel: thicknesses of shell and head (sixteenths of an inch), radius, length."""
    shell, head = 0.0625 * x1, 0.0625 * x2
    cost = 0.6224 * shell * x3 * x4 + 1.7781 * head * x3**2 + 3.1661 * shell**2 * x4 + 19.84 * shell**2 * x3
    volume = np.pi * x3**2 * x4 + 4 / 3 * np.pi * x3**3
    return (cost,), (shell - 0.0193 * x3, head - 0.00954 * x3, volume - 1_296_000.0)


def hatch_cover(x1: Array, x2: Array) -> Result:
    """Return the weight of a hatch cover for the thickness of its flange x1 and the height of its beam x2."""
    modulus = 700_000.0
    bending = 4500 / (x1 * x2)
    buckling = modulus * x1**2 / 100
    deflection = 562_000.0 / (modulus * x1 * x2**2)
    limits = (1 - bending / 700, 1 - 1800 / x2 / 450, 1 - deflection / 1.5, 1 - bending / buckling)
    return (x1 + 120 * x2,), limits


def coil_spring(x1: Array, x2: Array, x3: Array) -> Result:
    """Return the volume of a spring of x1 coils, diameter x2, of wire x3 (inches)."""
    load, preload, shear_modulus = 1000.0, 300.0, 11.5e6
    index = x2 / x3
    curvature = (4 * index - 1) / (4 * index - 4) + 0.615 / index
    stiffness = shear_modulus * x3**4 / (8 * x1 * x2**3)
    solid = 1.05 * (x1 + 2) * x3
    free = load / stiffness + solid
    preloaded = preload / stiffness
    working = (load - preload) / stiffness
    limits = (
        189_000.0 - 8 * curvature * load * x2 / (np.pi * x3**3),
        14.0 - free,
        index - 3.0,
        6.0 - preloaded,
        free - preloaded - working - solid,
        1.25 - working,
    )
    return (np.pi**2 * x2 * x3**2 * (x1 + 2) / 4,), limits


def two_bar_truss(x1: Array, x2: Array, x3: Array) -> Result:
    """Return volume and stress of two bars of areas x1 and x2 that meet x3 below."""
    long, short = np.sqrt(16 + x3**2), np.sqrt(1 + x3**2)
    volume = x1 * long + x2 * short
    stress = 20 * long / (x1 * x3)
    return (volume, stress), (0.1 - volume, 1e5 - stress, 1e5 - 80 * short / (x3 * x2))


def welded_beam(x1: Array, x2: Array, x3: Array, x4: Array) -> Result:
    """Return cost and deflection of a beam: height and length of its weld, depth and width (inches)."""
    load, length, modulus, shear_modulus = 6000.0, 14.0, 30e6, 12e6
    cost = 1.10471 * x1**2 * x2 + 0.04811 * x3 * x4 * (14 + x2)
    deflection = 4 * load * length**3 / (modulus * x4 * x3**3)
    radius = np.sqrt(x2**2 / 4 + ((x1 + x3) / 2) ** 2)
    inertia = 2 * np.sqrt(2) * x1 * x2 * (x2**2 / 12 + ((x1 + x3) / 2) ** 2)
    direct = load / (np.sqrt(2) * x1 * x2)
    torsion = load * (length + x2 / 2) * radius / inertia
    shear = np.sqrt(direct**2 + direct * torsion * x2 / radius + torsion**2)
    bending = 6 * load * length / (x4 * x3**2)
    buckling = (
        4.013 * modulus * np.sqrt(x3**2 * x4**6 / 36) / length**2
        * (1 - x3 / (2 * length) * np.sqrt(modulus / (4 * shear_modulus)))
    )  # fmt: skip
    return (cost, deflection), (13_600 - shear, 30_000 - bending, x4 - x1, buckling - load)


def disc_brake(x1: Array, x2: Array, x3: Array, x4: Array) -> Result:
    """Return mass and stopping time of a brake: radii of its discs, force, number of surfaces."""
    square, cube = x2**2 - x1**2, x2**3 - x1**3
    mass = 4.9e-5 * square * (x4 - 1)
    time = 9.82e6 * square / (x3 * x4 * cube)
    limits = (
        x2 - x1 - 20,
        0.4 - x3 / (3.14 * square),
        1 - 2.22e-3 * x3 * cube / square**2,
        2.66e-2 * x3 * x4 * cube / square - 900,
    )
    return (mass, time), limits


def vehicle_crash(x1: Array, x2: Array, x3: Array, x4: Array, x5: Array) -> Result:
    """Return mass, deceleration and intrusion of a car for the thickness of five members (mm)."""
    mass = 1640.2823 + 2.3573285 * x1 + 2.3220035 * x2 + 4.5688768 * x3 + 7.7213633 * x4 + 4.4559504 * x5
    deceleration = (
        6.5856 + 1.15 * x1 - 1.0427 * x2 + 0.9738 * x3 + 0.8364 * x4 - 0.3695 * x1 * x4 + 0.0861 * x1 * x5
        + 0.3628 * x2 * x4 - 0.1106 * x1**2 - 0.3437 * x3**2 + 0.1764 * x4**2
    )  # fmt: skip
    intrusion = (
        -0.0551 + 0.0181 * x1 + 0.1024 * x2 + 0.0421 * x3 - 0.0073 * x1 * x2 + 0.024 * x2 * x3
        - 0.0118 * x2 * x4 - 0.0204 * x3 * x4 - 0.008 * x3 * x5 - 0.0241 * x2**2 + 0.0109 * x4**2
    )  # fmt: skip
    return (mass, deceleration, intrusion), ()


def speed_reducer(x1: Array, x2: Array, x3: Array, x4: Array, x5: Array, x6: Array, x7: Array) -> Result:
    """Return weight and stress of a gearbox: face, module, teeth, and lengths and diameters of two shafts."""
    weight = (
        0.7854 * x1 * x2**2 * (10 * x3**2 / 3 + 14.933 * x3 - 43.0934) - 1.508 * x1 * (x6**2 + x7**2)
        + 7.477 * (x6**3 + x7**3) + 0.7854 * (x4 * x6**2 + x5 * x7**2)
    )  # fmt: skip
    first = np.sqrt((745 * x4 / (x2 * x3)) ** 2 + 1.69e7) / (0.1 * x6**3)
    second = np.sqrt((745 * x5 / (x2 * x3)) ** 2 + 1.575e8) / (0.1 * x7**3)
    limits = (
        1 / 27 - 1 / (x1 * x2**2 * x3),
        1 / 397.5 - 1 / (x1 * x2**2 * x3**2),
        1 / 1.93 - x4**3 / (x2 * x3 * x6**4),
        1 / 1.93 - x5**3 / (x2 * x3 * x7**4),
        40 - x2 * x3,
        12 - x1 / x2,
        x1 / x2 - 5,
        x4 - 1.5 * x6 - 1.9,
        x5 - 1.1 * x7 - 1.9,
        1300 - first,
        1100 - second,
    )
    return (weight, first), limits


def gear_train(x1: Array, x2: Array, x3: Array, x4: Array) -> Result:
    """Return how far the ratio of a train of four gears is from 6.931, and the most teeth of a gear."""
    error = np.abs(6.931 - x3 / x1 * x4 / x2)
    largest = np.maximum.reduce([x1, x2, x3, x4])
    return (error, largest), (0.5 - error / 6.931,)


def rocket_injector(x1: Array, x2: Array, x3: Array, x4: Array) -> Result:
    """Return face temperature, distance from the inlet and tip temperature of an injector, each scaled.

    The variables are the flow angle, the areas of hydrogen and oxygen, and the thickness of the tip.
    """
    face = (
        0.692 + 0.477 * x1 - 0.687 * x2 - 0.080 * x3 - 0.0650 * x4 - 0.167 * x1**2 - 0.0129 * x2 * x1
        + 0.0796 * x2**2 - 0.0634 * x3 * x1 - 0.0257 * x3 * x2 + 0.0877 * x3**2 - 0.0521 * x4 * x1
        + 0.00156 * x4 * x2 + 0.00198 * x4 * x3 + 0.0184 * x4**2
    )  # fmt: skip
    distance = (
        0.153 - 0.322 * x1 + 0.396 * x2 + 0.424 * x3 + 0.0226 * x4 + 0.175 * x1**2 + 0.0185 * x2 * x1
        - 0.0701 * x2**2 - 0.251 * x3 * x1 + 0.179 * x3 * x2 + 0.0150 * x3**2 + 0.0134 * x4 * x1
        + 0.0296 * x4 * x2 + 0.0752 * x4 * x3 + 0.0192 * x4**2
    )  # fmt: skip
    tip = (
        0.370 - 0.205 * x1 + 0.0307 * x2 + 0.108 * x3 + 1.019 * x4 - 0.135 * x1**2 + 0.0141 * x2 * x1
        + 0.0998 * x2**2 + 0.208 * x3 * x1 - 0.0301 * x3 * x2 - 0.226 * x3**2 + 0.353 * x4 * x1
        - 0.0497 * x4 * x3 - 0.423 * x4**2 + 0.202 * x2 * x1**2 - 0.281 * x3 * x1**2 - 0.342 * x2**2 * x1
        - 0.245 * x2**2 * x3 + 0.281 * x3**2 * x2 - 0.184 * x4**2 * x1 - 0.281 * x2 * x1 * x3
    )  # fmt: skip
    return (face, distance, tip), ()


_ROOT = float(np.sqrt(2.0))
_TWO_BARS = RealWorld("two-bar truss", _reals((1e-5, 100), (1e-5, 100), (1, 3)), two_bar_truss)
_WELDED = RealWorld("welded beam", _reals((0.125, 5), (0.1, 10), (0.1, 10), (0.125, 5)), welded_beam)
_BRAKE = RealWorld("disc brake", _reals((55, 80), (75, 110), (1000, 3000), (11, 20)), disc_brake)
_REDUCER = RealWorld(
    "speed reducer",
    (
        Real("x1", 2.6, 3.6), Real("x2", 0.7, 0.8), Integer("x3", 17, 28), Real("x4", 7.3, 8.3),
        Real("x5", 7.3, 8.3), Real("x6", 2.9, 3.9), Real("x7", 5.0, 5.5),
    ),
    speed_reducer,
)  # fmt: skip
_GEARS = RealWorld("gear train", tuple(Integer(f"x{place}", 12, 60) for place in range(1, 5)), gear_train)

# With the violation as an objective.
UNCONSTRAINED: Mapping[str, RealWorld] = {
    "re21": RealWorld("four-bar truss", _reals((1, 3), (_ROOT, 3), (_ROOT, 3), (1, 3)), four_bar_truss),
    "re22": RealWorld(
        "reinforced concrete beam",
        (Ordinal("x1", AREAS), Real("x2", 0, 20), Real("x3", 0, 40)),
        reinforced_beam,
    ),
    "re23": RealWorld(
        "pressure vessel",
        (Integer("x1", 1, 100), Integer("x2", 1, 100), Real("x3", 10, 200), Real("x4", 10, 240)),
        pressure_vessel,
    ),
    "re24": RealWorld("hatch cover", _reals((0.5, 4), (0.5, 50)), hatch_cover),
    "re25": RealWorld(
        "coil compression spring",
        (Integer("x1", 1, 70), Real("x2", 0.6, 3), Ordinal("x3", WIRES)),
        coil_spring,
    ),
    "re31": _TWO_BARS,
    "re32": _WELDED,
    "re33": _BRAKE,
    "re34": RealWorld("vehicle crashworthiness", _reals(*[(1, 3)] * 5), vehicle_crash),
    "re35": _REDUCER,
    "re36": _GEARS,
    "re37": RealWorld("rocket injector", _reals(*[(0, 1)] * 4), rocket_injector),
}
# With the constraints as limits.
CONSTRAINED: Mapping[str, RealWorld] = {
    "cre21": _TWO_BARS,
    "cre22": _WELDED,
    "cre23": _BRAKE,
    "cre24": _REDUCER,
    "cre25": _GEARS,
}


def four_bar_front(points: int) -> Array:
    """Return the exact front of RE21 (points, 2).

    Volume is a sum of terms in single areas, displacement of terms in their reciprocals, so that along the
    front areas between their bounds are in constant proportion, by the method of Lagrange: x1 : x2 : x4 as
    1 : √2 : √2; x3 is at its lower bound, which is best for both.
    """
    scale = np.linspace(1 / _ROOT, 3.0, points)
    x1, x2, x4 = np.clip(scale, 1, 3), np.clip(_ROOT * scale, _ROOT, 3), np.clip(_ROOT * scale, 1, 3)
    objectives, _ = four_bar_truss(x1, x2, np.full(points, _ROOT), x4)
    return np.unique(np.column_stack(objectives), axis=0)
