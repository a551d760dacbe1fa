"""The study: what ``dse run fir-filter`` runs."""

from __future__ import annotations

from dse import Maximize, Minimize, Problem
from dse.definitions import StudyDefinition
from fir_filter.model import fir_model
from fir_filter.space import fir_space


def problem(taps: int = 64, least_snr_db: float = 60.0) -> Problem:
    """Return the problem; its arguments are settings: ``--set taps=128``.

    Parameters
    ----------
    taps
        Coefficients of the filter.
    least_snr_db
        The worst signal-to-noise ratio that will do.
    """
    return Problem(
        fir_space(taps),
        fir_model(taps),
        [Minimize("area_um2"), Maximize("msamples_s"), Minimize("energy_pj")],
        [f"snr_db >= {least_snr_db}"],
    )


study = StudyDefinition("fir-filter", "folded FIR filters: area, throughput, energy", problem, "nsga2", 200)

if __name__ == "__main__":
    study.main()
