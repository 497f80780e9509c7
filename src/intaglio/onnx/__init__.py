"""ONNX: writing a network as a graph, and proving that the graph computes the same."""
