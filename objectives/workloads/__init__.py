"""Networks as their layers."""

from objectives.workloads.hugging_face import read_config
from objectives.workloads.layers import (
    AttentionLayer,
    ConvolutionLayer,
    EmbeddingLayer,
    Layer,
    LinearLayer,
    ProductLayer,
)
from objectives.workloads.networks import BITNET_B158_2B4T, NETWORKS, network
from objectives.workloads.onnx_file import OnnxNetwork, read_onnx, read_onnx_with_weights
from objectives.workloads.read import language_model, read_workload
from objectives.workloads.workload import Workload
from objectives.workloads.yaml_file import read_yaml

__all__ = [
    "BITNET_B158_2B4T",
    "NETWORKS",
    "AttentionLayer",
    "ConvolutionLayer",
    "EmbeddingLayer",
    "Layer",
    "LinearLayer",
    "OnnxNetwork",
    "ProductLayer",
    "Workload",
    "language_model",
    "network",
    "read_config",
    "read_onnx",
    "read_onnx_with_weights",
    "read_workload",
    "read_yaml",
]
