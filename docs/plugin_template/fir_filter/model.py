"""The cost model. It meets the space by column names: it reads what it needs, whatever space has it.

Areas and energies are those of a 45 nm process in M. Horowitz, "Computing's energy problem (and what we can
do about it)", ISSCC 2014: an 8-bit addition takes 0.03 pJ and 36 square micrometres, a 32-bit one 0.1 pJ and
137; an 8-bit multiplication 0.2 pJ and 282, a 32-bit one 3.1 pJ and 3,495. Between these widths additions
are taken to grow with the width, multiplications with its square. The signal-to-noise ratio is that of
rounding a full-scale sine, 6.02 b + 1.76 dB (W. R. Bennett, "Spectra of quantized signals", Bell Syst. Tech.
J. 27, 1948).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dse import CostModel, cost_model


def fir_model(taps: int = 64) -> CostModel:
    """Return the model of area, energy, throughput and precision.

    Parameters
    ----------
    taps
        Coefficients of the filter.
    """

    @cost_model(
        metrics={"area_um2": "um2", "energy_pj": "pJ", "msamples_s": "1e6/s", "snr_db": "dB"},
        columns=["fir.multipliers", "fir.word_bits", "fir.clock_mhz"],
        name="folded-fir",
        version="1",
        settings={"taps": taps},
    )
    def model(d: Any) -> dict[str, Any]:
        bits = d["fir.word_bits"]
        lanes = d["fir.multipliers"]
        # All metrics come for a whole batch of designs at once.
        area = np.interp(bits, [8, 32], [36, 137]) + np.interp(bits**2, [64, 1024], [282, 3495])
        energy = np.interp(bits, [8, 32], [0.03, 0.1]) + np.interp(bits**2, [64, 1024], [0.2, 3.1])
        return {
            "area_um2": lanes * area,
            "energy_pj": taps * energy,
            "msamples_s": d["fir.clock_mhz"] * lanes / taps,
            "snr_db": 6.02 * bits + 1.76,
        }

    return model
