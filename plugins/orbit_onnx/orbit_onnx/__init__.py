"""Embeddings and reranking for ORBIT from ONNX models, on the CPU: no download, no server, no GPU."""

from orbit_onnx.provider import OnnxProvider, OnnxSettings

__all__ = ["OnnxProvider", "OnnxSettings"]
