"""Small ONNX files for the tests of the viewer."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def small_cnn(path: Path) -> Path:
    """A convolution, an activation, a pooling and a linear layer: 1x8x8 images to 3 logits."""
    weights = {
        "conv.weight": np.zeros((4, 1, 3, 3), np.float32),
        "conv.bias": np.zeros(4, np.float32),
        "head.weight": np.zeros((3, 4), np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "conv.weight", "conv.bias"], ["a"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "head.weight"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path
