"""The gradient pass: backpropagation through nodes, functions, conditionals and loops."""
