"""Few-shot transfer: a new device from ten measurements and devices whose metrics are known."""

from dse.surrogates.transfer.family import DeviceFamily, TransferModel, TransferPrediction

__all__ = ["DeviceFamily", "TransferModel", "TransferPrediction"]
