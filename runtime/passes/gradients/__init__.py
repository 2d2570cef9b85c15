"""Gradients: graph extension from a loss back to its inputs.

This package is the engine: it walks the graph backwards and sums partial gradients (``backpropagation``), through
dataflow conditionals and loops too (``frame_walk``, ``control_flow_context``, ``backward_loops``). The gradient of an
operation stands beside its declaration in ``kernels.families``; those of operations that call functions share
``kernels.functions.differentiation``, and get the engine as ``GradientNode.backpropagate``.
"""
