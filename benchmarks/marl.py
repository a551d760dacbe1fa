"""Multi-agent against single-agent reinforcement learning, random designs and PPO, in unique evaluations.

    python -m benchmarks.marl [--data FOLDER] [--problems a,b] [--aims front,first,second] [--searchers a,b]
    [--seeds N] [--workers N] [--nsga2 N] [-o FILE.csv]

Every problem has up to three aims: the ``front`` of all its objectives, and a weighted sum of them as one
objective, with 0.8 on the ``first`` or on the ``second`` (each by logarithm where positive, in units of its
spread over 2,000 random designs). Measured is the hypervolume, of a weighted sum how far below the median of
random designs the best is; as a fraction of the exact one where the space has at most ten million designs,
else of the best known: that of a long NSGA-II run, or of any run here. Printed are medians over the seeds
with bootstrap intervals of 95 %, and whether `marl` differs from each rival by more than chance (Wilcoxon's
signed-rank test over paired seeds, after Holm's correction over the pairs of a row).

PPO is that of stable-baselines3 (extra ``peers``), left out where it is not installed. Its environment has
one step an episode: it sees a preference and answers with a value for every parameter (MultiDiscrete); the
reward is the one that `marl` and `rl` have, from the same store of everything evaluated. Values that no
feasible design has, given those before, are moved to the nearest that one has, so that it loses no step to
constraints. A design that it proposes again is answered from the store and counts once; it stops after as
many steps as four budgets. Rollouts have 32 steps, all else is the library's default.

With ``-o`` runs that are in the file are not run again.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dse import Minimize, Problem, cost_model
from dse.definitions import find
from dse.designs import Designs
from dse.pareto import ParetoArchive, hypervolume
from dse.searchers import make_searcher
from dse.searchers.draws import Draw
from dse.searchers.replay import Replay, preferences
from dse.significance import pairs
from dse.space.choices import Choices

Floats = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = (100, 200, 500)
PROBLEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "lut-accelerator": ("lut-accelerator", {}),
    "gpu-tiling": ("gpu-tiling", {}),
    "quantization": ("quantization", {}),
    "nas-accelerator": ("nas-accelerator", {}),
    "nasbench201-raspi4": ("nasbench201", {"device": "raspi4"}),
    "nasbench201-eyeriss": ("nasbench201", {"device": "eyeriss"}),
    "nasbench201-titan_rtx_256": ("nasbench201", {"device": "titan_rtx_256"}),
    "gemm_RTX_3090": ("measured", {"data": "gpu/gemm_RTX_3090.json.gz"}),
}
AIMS = ("front", "first", "second")
SEARCHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "marl": ("marl", {}),
    "rl": ("rl", {}),
    "random": ("random", {}),
    "marl-subsystem": ("marl", {"agents": "subsystem"}),
    "marl-shared": ("marl", {"credit": "shared"}),
}
DEFAULT = ("marl", "rl", "random", "ppo")
COLUMNS = ("problem", "aim", "searcher", "seed", "budget", "evaluations", "hypervolume", "seconds")
WALK = 10_000_000
SAMPLE = 2_000
MAIN_WEIGHT = 0.8
ROLLOUT = 32
STEPS = 4
RESAMPLES = 2_000


@dataclass(frozen=True)
class Aim:
    """A problem, and the reference point (objectives,) that its hypervolume is measured from."""

    problem: Problem
    corner: Floats


@cache
def aim(data: Path, name: str, kind: str) -> Aim:
    """Return what is searched."""
    study, settings = PROBLEMS[name]
    settings = {key: str(data / value) if key == "data" else value for key, value in settings.items()}
    problem = find(study).build(settings)
    if kind != "front":
        problem = weighted(problem, AIMS.index(kind) - 1)
    if len(problem.objectives) > 1:
        declared = [objective.reference for objective in problem.objectives]
        signs = [objective.sign for objective in problem.objectives]
        return Aim(problem, np.array(declared, float) * np.array(signs))
    found = problem.evaluate(problem.space.sample(SAMPLE, 1))
    return Aim(problem, np.median(found.objectives[found.feasible], axis=0))


def weighted(problem: Problem, main: int) -> Problem:
    """Return the problem with a weighted sum of its objectives as the only one."""
    found = problem.evaluate(problem.space.sample(SAMPLE, 0))
    known = found.objectives[found.feasible]
    positive = (known > 0).all(axis=0)
    weights = np.full(len(problem.objectives), (1 - MAIN_WEIGHT) / (len(problem.objectives) - 1))
    weights[main] = MAIN_WEIGHT

    def scaled(objectives: Floats) -> Floats:
        logarithms = np.log(np.where(positive & (objectives > 0), objectives, 1.0))
        return np.where(positive, logarithms, objectives)

    low, high = np.percentile(scaled(known), [1, 99], axis=0)
    width = np.where(high > low, high - low, 1.0)

    def evaluate(designs: Designs) -> dict[str, Floats]:
        found = problem.evaluate(designs)
        return {"score": (scaled(found.objectives) - low) / width @ weights, "broken": found.violation}

    name = f"{problem.name}-{problem.objectives[main].metric}"
    model = cost_model(evaluate, metrics={"score": "", "broken": ""}, name=name, version="1")
    return Problem(
        problem.space, model, [Minimize("score")], ["broken <= 0"] if problem.limits else [], name=name
    )


def points(found: Any) -> Floats:
    """Return objectives (n, m), NaN where infeasible."""
    return np.where(found.feasible[:, None], found.objectives, np.nan)


def reference(data: Path, name: str, kind: str, evaluations: int) -> dict[str, Any]:
    """Return the row of the exact front, or of a long NSGA-II run."""
    this = aim(data, name, kind)
    archive = ParetoArchive(len(this.problem.objectives))
    count = 0
    exact = this.problem.space.discrete and this.problem.space.count() <= WALK
    if exact:
        for designs in this.problem.space.enumerate():
            archive.add(points(this.problem.evaluate(designs)), np.arange(count, count + len(designs)))
            count += len(designs)
    else:
        searcher = make_searcher("nsga2", this.problem.space, 1_000)
        while count < evaluations:
            found = this.problem.evaluate(searcher.ask(100))
            searcher.tell(found)
            archive.add(points(found), np.arange(count, count + len(found)))
            count += len(found)
    volume = hypervolume(archive.points, this.corner)
    kept = "exact" if exact else "nsga2"
    return dict(zip(COLUMNS, (name, kind, kept, 0, count, count, volume, 0.0), strict=True))


def run(data: Path, name: str, kind: str, searcher: str, seed: int) -> list[dict[str, Any]]:
    """Run a searcher and return a row a budget."""
    this = aim(data, name, kind)
    if searcher == "ppo":
        found, seconds = ppo(this.problem, seed)
    else:
        found, seconds = search(this.problem, *SEARCHERS[searcher], seed)
    rows = []
    for budget in BUDGETS:
        seen = found[:budget]
        values = (name, kind, searcher, seed, budget, len(seen), hypervolume(seen, this.corner), seconds)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def search(problem: Problem, name: str, settings: dict[str, Any], seed: int) -> tuple[Floats, float]:
    """Return objectives in order (n, m) and the searcher's own seconds of processor time."""
    searcher = make_searcher(name, problem.space, seed, settings)
    parts: list[Floats] = []
    count, seconds = 0, 0.0
    while count < BUDGETS[-1]:
        started = time.process_time()
        designs = searcher.ask(min(searcher.batch, BUDGETS[-1] - count))
        seconds += time.process_time() - started
        if not len(designs):
            break
        found = problem.evaluate(designs)
        started = time.process_time()
        searcher.tell(found)
        seconds += time.process_time() - started
        parts.append(points(found))
        count += len(designs)
    return np.concatenate(parts), seconds


def ppo(problem: Problem, seed: int) -> tuple[Floats, float]:
    """Return the objectives of the distinct designs that PPO proposes (n, m), and seconds."""
    import gymnasium
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback

    torch.set_num_threads(1)
    choices = Choices(problem.space)
    draw = Draw(choices)
    objectives = len(problem.objectives)
    grid = np.arange(choices.width)

    class Environment(gymnasium.Env):  # type: ignore[misc,type-arg]
        """One step an episode: a preference is shown, a design is chosen."""

        observation_space = gymnasium.spaces.Box(0.0, 1.0, (objectives,), np.float32)
        action_space = gymnasium.spaces.MultiDiscrete(choices.counts)

        def __init__(self) -> None:
            self.replay = Replay(choices, 1 << 30)
            self.rows: dict[bytes, int] = {}
            self.found: list[Floats] = []
            self.wish = np.ones(objectives)
            self.stream = np.random.default_rng(seed)

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            self.wish = preferences(1, objectives, self.stream)[0]
            return self.wish.astype(np.float32), {}

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            # The nearest value that a feasible design has: a policy as sharp as that draws nothing else.
            logits = -1e6 * np.abs(grid - np.asarray(action)[:, None])[None]
            codes, episodes = draw(logits, np.random.default_rng(0))
            reward = -2.0
            if len(episodes):
                key = problem.space.keys(codes)[0]
                if key not in self.rows:
                    evaluated = problem.evaluate(Designs(problem.space, codes))
                    self.rows[key] = len(self.found)
                    self.found.append(points(evaluated)[0])
                    self.replay.add(evaluated)
                reward = float(self.replay.rewards(self.wish[None])[0, self.rows[key]])
            return self.wish.astype(np.float32), reward, True, False, {}

    class Budget(BaseCallback):  # type: ignore[misc]
        def _on_step(self) -> bool:
            return len(environment.found) < BUDGETS[-1]

    environment = Environment()
    started = time.process_time()
    model = PPO(
        "MlpPolicy", environment, n_steps=ROLLOUT, batch_size=ROLLOUT, seed=seed, device="cpu", verbose=0
    )
    model.learn(STEPS * BUDGETS[-1], callback=Budget())
    return np.array(environment.found)[: BUDGETS[-1]], time.process_time() - started


def fractions(table: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with their fractions of the exact or best known hypervolume."""
    known = table.groupby(["problem", "aim"])["hypervolume"].max().rename("best")
    joined = table.join(known, on=["problem", "aim"])
    exact = table[table["searcher"] == "exact"].set_index(["problem", "aim"]).index
    joined["exact"] = joined.set_index(["problem", "aim"]).index.isin(exact)
    joined["fraction"] = joined["hypervolume"] / joined["best"]
    return joined[~joined["searcher"].isin(["exact", "nsga2"])]


def interval(values: Floats) -> tuple[float, float]:
    """Bound the median by a bootstrap interval of 95 % (percentile method)."""
    draws = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(np.median(values[draws], axis=1), [2.5, 97.5])
    return float(low), float(high)


def report(table: pd.DataFrame) -> None:
    """Print a block a problem and aim, and how often `marl` is better or worse by more than chance."""
    won: dict[tuple[int, str], list[int]] = {}
    for (name, kind), part in fractions(table).groupby(["problem", "aim"], sort=False):
        known = "exact" if part["exact"].all() else "best known"
        print(f"{name}, {kind} (of the {known})")
        for budget, rows in part.groupby("budget"):
            wide = rows.pivot(index="seed", columns="searcher", values="fraction").dropna()
            names = list(wide.columns)
            tests = pairs(wide.to_numpy(float))
            for searcher in names:
                values = wide[searcher].to_numpy(float)
                low, high = interval(values)
                line = f"  {budget:>4} {searcher:<15} {np.median(values):.4f} [{low:.4f}, {high:.4f}]"
                if searcher != "marl" and "marl" in names:
                    wanted = {names.index("marl"), names.index(searcher)}
                    test = next(item for item in tests if {item.better, item.worse} == wanted)
                    ahead = names[test.better] == "marl"
                    tally = won.setdefault((int(budget), searcher), [0, 0, 0])
                    tally[1 if test.p >= 0.05 else 0 if ahead else 2] += 1
                    line += f"  marl {'better' if ahead else 'worse'}, p = {test.p:.3f}"
                print(line)
    print("\nmarl against, at: significantly better, no difference, significantly worse")
    for (budget, searcher), (better, same, worse) in sorted(won.items(), key=lambda item: item[0][::-1]):
        print(f"  {searcher:<15} {budget:>4}: {better:>3} {same:>3} {worse:>3}")


def done(path: Path | None) -> list[dict[str, Any]]:
    """Return the rows of a file; none if there is no file."""
    if path is None or not path.is_file():
        return []
    return [{str(key): value for key, value in row.items()} for row in pd.read_csv(path).to_dict("records")]


def keep(path: Path | None, rows: Iterable[dict[str, Any]]) -> None:
    """Append rows to a file."""
    if path is None:
        return
    new = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerows(rows)


def chosen(text: str, known: Iterable[str]) -> list[str]:
    """Return the names in a text with commas between; exit if one is unknown."""
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in set(known)]:
        raise SystemExit(f"{unknown[0]!r} is unknown; known are {', '.join(known)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("DSE_DATA", ROOT.parent / "shared/data"))
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--aims", default=",".join(AIMS))
    parser.add_argument("--searchers", default=",".join(DEFAULT))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--nsga2", type=int, default=20_000, help="evaluations where no exact front is known")
    parser.add_argument("-o", "--output", type=Path, help="CSV of all runs")
    options = parser.parse_args()
    os.environ["DSE_DATA"] = str(options.data)
    problems = chosen(options.problems, PROBLEMS)
    searchers = chosen(options.searchers, [*SEARCHERS, "ppo"])
    if "ppo" in searchers and importlib.util.find_spec("stable_baselines3") is None:
        print("ppo is left out: stable-baselines3 is not installed (extra peers)")
        searchers.remove("ppo")
    rows = done(options.output)
    known = {tuple(row[column] for column in COLUMNS[:4]) for row in rows}
    asked = [(name, kind) for name in problems for kind in chosen(options.aims, AIMS)]
    asked = [item for item in asked if item[0] != "gemm_RTX_3090" or item[1] == "front"]
    with ProcessPoolExecutor(options.workers) as pool:
        waiting = []
        for name, kind in asked:
            if not {(name, kind, kept, 0) for kept in ("exact", "nsga2")} & known:
                waiting.append(pool.submit(_listed, options.data, name, kind, options.nsga2))
            waiting += [
                pool.submit(run, options.data, name, kind, searcher, seed)
                for searcher in searchers
                for seed in range(options.seeds)
                if (name, kind, searcher, seed) not in known
            ]
        for future in as_completed(waiting):
            found = future.result()
            keep(options.output, found)
            rows += found
    table = pd.DataFrame(rows).sort_values(list(COLUMNS[:5]), kind="stable")
    mine = pd.MultiIndex.from_tuples(asked)
    table = table[pd.MultiIndex.from_frame(table[["problem", "aim"]]).isin(mine)]
    report(table[table["searcher"].isin([*searchers, "exact", "nsga2"])])


def _listed(data: Path, name: str, kind: str, evaluations: int) -> list[dict[str, Any]]:
    return [reference(data, name, kind, evaluations)]


if __name__ == "__main__":
    main()
