"""Few-shot transfer: a new device from ten measurements and devices whose metrics are known."""

from dse.surrogates.transfer.family import DeviceFamily, TransferModel, TransferPrediction
from dse.surrogates.transfer.frames import designs_from_frame

__all__ = ["DeviceFamily", "TransferModel", "TransferPrediction", "designs_from_frame"]
