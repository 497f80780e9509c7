"""ONNX: writing a network as a graph, running it, and checking that it computes the same."""
