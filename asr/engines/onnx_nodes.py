"""An ONNX graph while it is built: nodes and constants, and what front ends and normalization have in common."""

from typing import Any

import numpy as np

from asr.engines.architecture import Array


class Nodes:
    """Nodes and constants so far; a value is named by the node that makes it."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}

    def constant(self, array: Array) -> str:
        """Return the name of a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = array.copy(order="C")
        return name

    def number(self, value: int) -> str:
        """Return the name of a constant int64."""
        return self.constant(np.array(value, np.int64))

    def ints(self, *values: int) -> str:
        """Return the name of a constant vector of int64."""
        return self.constant(np.array(values, np.int64))

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:  # noqa: ANN401
        """Add a node, and return the name of its output."""
        from onnx import helper

        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def frames(self, values: str) -> str:
        """Return T of values (B, T, …), a scalar."""
        return self.add("Gather", self.add("Shape", values), self.number(1), axis=0)

    def mask(self, values: str, lengths: str) -> str:
        """Return 1 within each length and 0 beyond, (B, T, 1), as wide as the values (B, T, …)."""
        times = self.add("Range", self.number(0), self.frames(values), self.number(1))
        inside = self.add("Less", times, self.add("Unsqueeze", lengths, self.ints(1)))  # (B, T)
        return self.add("Cast", self.add("Unsqueeze", inside, self.ints(2)), to=1)

    def masked(self, values: str, lengths: str) -> str:
        """Return values (B, T, F) with zeros beyond each length."""
        return self.add("Mul", values, self.mask(values, lengths))

    def counts(self, lengths: str, stride: int) -> str:
        """Return lengths over the stride, rounded up."""
        return self.add("Div", self.add("Add", lengths, self.number(stride - 1)), self.number(stride))

    def grouped(self, values: str, lengths: str, stride: int, size: int) -> str:
        """Return values (B, T, F) in groups of frames, (B, T', stride, F), with zeros beyond each length."""
        missing = self.ints(0, 0, 0, 0, stride - 1, 0)  # at the end: at least as many as the last group may lack
        padded = self.add("Pad", self.masked(values, lengths), missing)
        groups = self.add("Reshape", self.add("Div", self.frames(padded), self.number(stride)), self.ints(1))
        whole = self.add("Slice", padded, self.ints(0), self.add("Mul", groups, self.ints(stride)), self.ints(1))
        return self.add("Reshape", whole, self.add("Concat", self.ints(0), groups, self.ints(stride, size), axis=0))
