"""Triton kernels as measured cost models; torch and triton are imported by the worker process alone."""

from objectives.gpu.triton.harness import Worker, close_shared_workers
from objectives.gpu.triton.jobs import JobError, JobTimeout
from objectives.gpu.triton.model import (
    ATTENTION_COLUMNS,
    GEMM_COLUMNS,
    TritonAttention,
    TritonGemm,
)

__all__ = [
    "ATTENTION_COLUMNS",
    "GEMM_COLUMNS",
    "JobError",
    "JobTimeout",
    "TritonAttention",
    "TritonGemm",
    "Worker",
    "close_shared_workers",
]
