"""LSTM and GRU cells in one operation, for a step and for a sequence (lstm_ops.cc, gru_ops.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core.cancellation import check
from ...core.registry import Family
from ...numeric import int_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_HALF_FLOAT = "T: type in {half, float}"
_WEIGHTS = "w: T, wci: T, wcf: T, wco: T, b: T"
_STATES = "i: T, cs: T, f: T, o: T, ci: T, co: T"


def _sigmoid(xp: Any, x: Any) -> Any:
    return 1 / (1 + xp.exp(-x))


class _Lstm(NamedTuple):
    """The weights of a cell, and the order of its gates in them: ``icfo`` or, for BlockLSTMV2, ``ifco``."""

    w: Any
    wci: Any
    wcf: Any
    wco: Any
    b: Any
    forget_bias: float
    clip: float
    peephole: bool
    order: str = "icfo"

    def gates(self, joined: Any) -> tuple[Any, Any, Any, Any]:
        """Returns the gates i, c, f and o of a matrix that has them side by side."""
        size = joined.shape[-1] // 4
        parts = {gate: joined[..., n * size : (n + 1) * size] for n, gate in enumerate(self.order)}
        return parts["i"], parts["c"], parts["f"], parts["o"]

    def joined(self, xp: Any, i: Any, c: Any, f: Any, o: Any) -> Any:
        """Returns gates side by side."""
        parts = {"i": i, "c": c, "f": f, "o": o}
        return xp.concatenate([parts[gate] for gate in self.order], axis=-1)

    def step(self, xp: Any, x: Any, cs_prev: Any, h_prev: Any) -> tuple[Any, ...]:
        """Returns i, cs, f, o, ci, co and h after a step."""
        dtype = x.dtype.type
        i, c, f, o = self.gates(xp.concatenate([x, h_prev], axis=-1) @ self.w + self.b)
        if self.peephole:
            i, f = i + cs_prev * self.wci, f + cs_prev * self.wcf
        i, f, ci = _sigmoid(xp, i), _sigmoid(xp, f + dtype(self.forget_bias)), xp.tanh(c)
        cs = ci * i + f * cs_prev
        if self.clip > 0:
            cs = xp.clip(cs, dtype(-self.clip), dtype(self.clip))
        o = _sigmoid(xp, o + cs * self.wco if self.peephole else o)
        co = xp.tanh(cs)
        return i, cs, f, o, ci, co, co * o

    def step_gradient(
        self, xp: Any, states: Sequence[Any], cs_prev: Any, cs_grad: Any, h_grad: Any
    ) -> tuple[Any, Any, tuple[Any, ...]]:
        """Returns the gradients of ``cs_prev`` and of the gates before their functions, and the single ones."""
        i, cs, f, o, ci, co = states
        d_o = o * (1 - o) * h_grad * co
        d_cs = (1 - co * co) * h_grad * o + cs_grad
        if self.peephole:
            d_cs = d_cs + d_o * self.wco
        d_ci = (1 - ci * ci) * d_cs * i
        d_f = f * (1 - f) * d_cs * cs_prev
        d_i = i * (1 - i) * d_cs * ci
        cs_prev_grad = d_cs * f
        if self.peephole:
            cs_prev_grad = cs_prev_grad + d_i * self.wci + d_f * self.wcf
        return cs_prev_grad, self.joined(xp, d_i, d_ci, d_f, d_o), (d_i, d_f, d_o, cs)


def _check_cell(x: Any, cs_prev: Any, h_prev: Any, w: Any, b: Any) -> None:
    """Raises INVALID_ARGUMENT for shapes that do not fit; x is [batch, inputs]."""
    if x.ndim != 2 or cs_prev.ndim != 2 or h_prev.shape != cs_prev.shape or cs_prev.shape[0] != x.shape[0]:
        shapes = ", ".join(str(Shape(tuple(value.shape))) for value in (x, cs_prev, h_prev))
        raise invalid(f"x, cs_prev and h_prev must be matrices of one batch, but have shapes {shapes}")
    cells = cs_prev.shape[1]
    if w.shape != (x.shape[1] + cells, 4 * cells):
        raise invalid(
            f"w must have shape {Shape((x.shape[1] + cells, 4 * cells))}, but has {Shape(tuple(w.shape))}"
        )
    if b.shape != (4 * cells,):
        raise invalid(f"b must have shape {Shape((4 * cells,))}, but has {Shape(tuple(b.shape))}")


def _check_sequence(x: Any, cs_prev: Any, h_prev: Any, w: Any, b: Any) -> None:
    """Raises INVALID_ARGUMENT for shapes that do not fit; x is [time, batch, inputs]."""
    if x.ndim != 3:
        raise invalid(f"x must have rank 3, but has shape {Shape(tuple(x.shape))}")
    _check_cell(x[0] if len(x) else x.reshape(-1, x.shape[-1])[:0], cs_prev, h_prev, w, b)


def _check_states(states: Sequence[Any], shape: tuple[int, ...]) -> None:
    """Raises INVALID_ARGUMENT unless all states and gradients of states have this shape."""
    for state in states:
        if state.shape != shape:
            raise invalid(f"a state has shape {Shape(tuple(state.shape))}, not {Shape(shape)}")


def _check_peephole(cells: int, use_peephole: bool, *weights: Any) -> None:
    for weight in weights if use_peephole else ():
        if weight.shape != (cells,):
            raise invalid(
                f"peephole weights must have shape {Shape((cells,))}, but have {Shape(tuple(weight.shape))}"
            )


def _like_state(c: ShapeContext) -> list[Shape]:
    return [c.with_rank("cs_prev", 2)] * len(c.bound.output_types)


cell = op(
    f"LSTMBlockCell(x: T, cs_prev: T, h_prev: T, {_WEIGHTS}; forget_bias: float = 1, cell_clip: float = 3, "
    f"use_peephole: bool = false, {_HALF_FLOAT}) -> ({_STATES}, h: T)",
    shape=_like_state,
)


@cell.kernel
def _(
    xp: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any, *, forget_bias: float,
    cell_clip: float, use_peephole: bool,
) -> Any:  # fmt: skip
    _check_cell(x, cs_prev, h_prev, w, b)
    _check_peephole(cs_prev.shape[1], use_peephole, wci, wcf, wco)
    return _Lstm(w, wci, wcf, wco, b, forget_bias, cell_clip, use_peephole).step(xp, x, cs_prev, h_prev)


def _cell_gradient_shapes(c: ShapeContext) -> list[Shape]:
    state = c.with_rank("cs_prev", 2)
    cells = state[1]
    return [state, Shape((state[0], None if cells is None else 4 * cells)), *[Shape((cells,))] * 3]


cell_gradient = op(
    f"LSTMBlockCellGrad(x: T, cs_prev: T, h_prev: T, {_WEIGHTS}, {_STATES}, cs_grad: T, h_grad: T; "
    f"use_peephole: bool, {_HALF_FLOAT}) -> (cs_prev_grad: T, dicfo: T, wci_grad: T, wcf_grad: T, wco_grad: T)",
    shape=_cell_gradient_shapes,
)


@cell_gradient.kernel
def _(
    xp: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any, i: Any, cs: Any, f: Any,
    o: Any, ci: Any, co: Any, cs_grad: Any, h_grad: Any, *, use_peephole: bool,
) -> Any:  # fmt: skip
    _check_cell(x, cs_prev, h_prev, w, b)
    _check_states((i, cs, f, o, ci, co, cs_grad, h_grad), cs_prev.shape)
    _check_peephole(cs_prev.shape[1], use_peephole, wci, wcf, wco)
    lstm = _Lstm(w, wci, wcf, wco, b, 0, 0, use_peephole)
    cs_prev_grad, gates, single = lstm.step_gradient(xp, (i, cs, f, o, ci, co), cs_prev, cs_grad, h_grad)
    return cs_prev_grad, gates, *_peephole_gradients(xp, single, cs_prev, use_peephole)


def _peephole_gradients(
    xp: Any, single: Sequence[Any], cs_prev: Any, use_peephole: bool
) -> tuple[Any, Any, Any]:
    d_i, d_f, d_o, cs = single
    if not use_peephole:
        zero = xp.zeros(cs.shape[-1], cs.dtype)
        return zero, zero.copy(), zero.copy()
    return (d_i * cs_prev).sum(axis=0), (d_f * cs_prev).sum(axis=0), (d_o * cs).sum(axis=0)


def _sequence_shapes(c: ShapeContext) -> list[Shape]:
    x, state = c.with_rank("x", 3), c.with_rank("cs_prev", 2)
    return [Shape((x[0], x[1], state[1]))] * 7


def _run_sequence(xp: Any, lstm: _Lstm, seq_len_max: Any, x: Any, cs_prev: Any, h_prev: Any) -> list[Any]:
    """Returns the states of all steps; they are zeros from ``seq_len_max`` on."""
    if x.ndim != 3:
        raise invalid(f"x must be 3D, but has shape {Shape(tuple(x.shape))}")
    _check_cell(x[0] if len(x) else x.reshape(-1, x.shape[-1])[:0], cs_prev, h_prev, lstm.w, lstm.b)
    _check_peephole(cs_prev.shape[1], lstm.peephole, lstm.wci, lstm.wcf, lstm.wco)
    length = int_arguments.int_scalar(seq_len_max, "seq_len_max")
    states = [xp.zeros((*x.shape[:2], cs_prev.shape[1]), x.dtype) for _ in range(7)]
    for step in range(min(length, len(x))):
        check()
        values = lstm.step(xp, x[step], cs_prev, h_prev)
        for state, value in zip(states, values):
            state[step] = value
        cs_prev, h_prev = values[1], values[6]
    return states


sequence = op(
    f"BlockLSTM(seq_len_max: int64, x: T, cs_prev: T, h_prev: T, {_WEIGHTS}; forget_bias: float = 1, "
    f"cell_clip: float = 3, use_peephole: bool = false, {_HALF_FLOAT}) -> ({_STATES}, h: T)",
    shape=_sequence_shapes,
)


@sequence.kernel
def _(
    xp: Any, seq_len_max: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any, *,
    forget_bias: float, cell_clip: float, use_peephole: bool,
) -> Any:  # fmt: skip
    lstm = _Lstm(w, wci, wcf, wco, b, forget_bias, cell_clip, use_peephole)
    return _run_sequence(xp, lstm, seq_len_max, x, cs_prev, h_prev)


sequence_v2 = op(
    f"BlockLSTMV2(seq_len_max: int64, x: T, cs_prev: T, h_prev: T, {_WEIGHTS}; cell_clip: float = 0, "
    f"use_peephole: bool = false, {_HALF_FLOAT}) -> ({_STATES}, h: T)",
    shape=_sequence_shapes,
)


@sequence_v2.kernel
def _(
    xp: Any, seq_len_max: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any, *,
    cell_clip: float, use_peephole: bool,
) -> Any:  # fmt: skip
    lstm = _Lstm(w, wci, wcf, wco, b, 0, cell_clip, use_peephole, "ifco")
    return _run_sequence(xp, lstm, seq_len_max, x, cs_prev, h_prev)


def _sequence_gradient_shapes(c: ShapeContext) -> list[Shape]:
    names = ("x", "cs_prev", "h_prev", "w", "wci", "wcf", "wco", "b")
    return [c.input(name) for name in names]


def _sequence_gradient(order: str) -> Any:
    def kernel(
        xp: Any, seq_len_max: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any,
        i: Any, cs: Any, f: Any, o: Any, ci: Any, co: Any, h: Any, cs_grad: Any, h_grad: Any, *, use_peephole: bool,
    ) -> Any:  # fmt: skip
        _check_sequence(x, cs_prev, h_prev, w, b)
        _check_states((i, cs, f, o, ci, co, h, cs_grad, h_grad), (*x.shape[:2], *cs_prev.shape[1:]))
        _check_peephole(cs_prev.shape[1], use_peephole, wci, wcf, wco)
        lstm = _Lstm(w, wci, wcf, wco, b, 0, 0, use_peephole, order)
        return _SequenceGradient(xp, lstm, x, cs_prev, h_prev).run(
            int_arguments.int_scalar(seq_len_max, "seq_len_max"), (i, cs, f, o, ci, co, h), cs_grad, h_grad
        )

    return kernel


class _SequenceGradient:
    """The gradients of a sequence, from its last step to its first."""

    def __init__(self, xp: Any, lstm: _Lstm, x: Any, cs_prev: Any, h_prev: Any) -> None:
        self.xp, self.lstm = xp, lstm
        self.x, self.cs_first, self.h_first = x, cs_prev, h_prev
        self.x_grad = xp.zeros_like(x)
        self.w_grad, self.b_grad = xp.zeros_like(lstm.w), xp.zeros_like(lstm.b)
        self.peepholes = [xp.zeros_like(weight) for weight in (lstm.wci, lstm.wcf, lstm.wco)]

    def run(self, length: int, states: Sequence[Any], cs_grad: Any, h_grad: Any) -> tuple[Any, ...]:
        """Returns the gradients of x, cs_prev, h_prev and the weights."""
        xp, inputs = self.xp, self.x.shape[-1]
        cs_carry, h_carry = xp.zeros_like(self.cs_first), xp.zeros_like(self.h_first)
        h = states[6]
        for step in reversed(range(min(length, len(self.x)))):
            check()
            before = states[1][step - 1] if step else self.cs_first
            h_before = h[step - 1] if step else self.h_first
            now = tuple(state[step] for state in states[:6])
            cs_carry, gates, single = self.lstm.step_gradient(
                xp, now, before, cs_grad[step] + cs_carry, h_grad[step] + h_carry
            )
            back = gates @ self.lstm.w.T
            self.x_grad[step], h_carry = back[:, :inputs], back[:, inputs:]
            self.w_grad += xp.concatenate([self.x[step], h_before], axis=-1).T @ gates
            self.b_grad += gates.sum(axis=0)
            if self.lstm.peephole:
                for total, part in zip(self.peepholes, _peephole_gradients(xp, single, before, True)):
                    total += part
        return self.x_grad, cs_carry, h_carry, self.w_grad, *self.peepholes, self.b_grad


for _version, _order in (("", "icfo"), ("V2", "ifco")):
    op(
        f"BlockLSTMGrad{_version}(seq_len_max: int64, x: T, cs_prev: T, h_prev: T, {_WEIGHTS}, {_STATES}, h: T, "
        f"cs_grad: T, h_grad: T; use_peephole: bool, {_HALF_FLOAT}) -> (x_grad: T, cs_prev_grad: T, h_prev_grad: T, "
        "w_grad: T, wci_grad: T, wcf_grad: T, wco_grad: T, b_grad: T)",
        shape=_sequence_gradient_shapes,
    ).kernel(_sequence_gradient(_order))


def _sequence_gradients(version: str) -> Any:
    def gradient(g: Any, node: Any, *dys: Any) -> Any:
        """Only the states cs and h lead to gradients, as in TensorFlow; which takes the gates of BlockLSTMV2 in the
        order of BlockLSTM here, so that its gradients of BlockLSTMV2 are wrong."""
        outputs = node.outputs
        cs_grad, h_grad = (
            dy if dy is not None else g.ZerosLike(out)
            for dy, out in ((dys[1], outputs[1]), (dys[6], outputs[6]))
        )
        made = g.add_op(
            f"BlockLSTMGrad{version}",
            *node.inputs,
            *outputs,
            cs_grad,
            h_grad,
            use_peephole=node.attr("use_peephole"),
        )
        return [None, *made]

    return gradient


sequence.gradient(_sequence_gradients(""))
sequence_v2.gradient(_sequence_gradients("V2"))


gru = op(
    "GRUBlockCell(x: T, h_prev: T, w_ru: T, w_c: T, b_ru: T, b_c: T; T: type in {float}) -> (r: T, u: T, c: T, h: T)",
    shape=lambda c: [c.with_rank("h_prev", 2)] * 4,
)


def _check_gru(x: Any, h_prev: Any, w_ru: Any, w_c: Any, b_ru: Any, b_c: Any) -> None:
    if x.ndim != 2 or h_prev.ndim != 2 or len(x) != len(h_prev):
        raise invalid(
            f"x and h_prev must be matrices of one batch, but have shapes {Shape(tuple(x.shape))} and "
            f"{Shape(tuple(h_prev.shape))}"
        )
    inputs, cells = x.shape[1], h_prev.shape[1]
    for name, weight, wanted in (
        ("w_ru", w_ru, (inputs + cells, 2 * cells)),
        ("w_c", w_c, (inputs + cells, cells)),
        ("b_ru", b_ru, (2 * cells,)),
        ("b_c", b_c, (cells,)),
    ):
        if weight.shape != wanted:
            raise invalid(f"{name} must have shape {Shape(wanted)}, but has {Shape(tuple(weight.shape))}")


@gru.kernel
def _(xp: Any, x: Any, h_prev: Any, w_ru: Any, w_c: Any, b_ru: Any, b_c: Any) -> Any:
    _check_gru(x, h_prev, w_ru, w_c, b_ru, b_c)
    cells = h_prev.shape[1]
    gates = _sigmoid(xp, xp.concatenate([x, h_prev], axis=-1) @ w_ru + b_ru)
    r, u = gates[:, :cells].copy(), gates[:, cells:].copy()
    c = xp.tanh(xp.concatenate([x, h_prev * r], axis=-1) @ w_c + b_c)
    return r, u, c, (1 - u) * c + u * h_prev


def _gru_gradient_shapes(c: ShapeContext) -> list[Shape]:
    x, state = c.with_rank("x", 2), c.with_rank("h_prev", 2)
    cells = state[1]
    return [x, state, state, Shape((state[0], None if cells is None else 2 * cells))]


gru_gradient = op(
    "GRUBlockCellGrad(x: T, h_prev: T, w_ru: T, w_c: T, b_ru: T, b_c: T, r: T, u: T, c: T, d_h: T; "
    "T: type in {float}) -> (d_x: T, d_h_prev: T, d_c_bar: T, d_r_bar_u_bar: T)",
    shape=_gru_gradient_shapes,
)


@gru_gradient.kernel
def _(
    xp: Any, x: Any, h_prev: Any, w_ru: Any, w_c: Any, b_ru: Any, b_c: Any, r: Any, u: Any, c: Any, d_h: Any
) -> Any:
    _check_gru(x, h_prev, w_ru, w_c, b_ru, b_c)
    inputs = x.shape[1]
    d_c_bar = d_h * (1 - u) * (1 - c * c)
    d_u_bar = d_h * (h_prev - c) * u * (1 - u)
    back_c = d_c_bar @ w_c.T
    d_reset = back_c[:, inputs:]
    d_r_bar = d_reset * h_prev * r * (1 - r)
    gates = xp.concatenate([d_r_bar, d_u_bar], axis=-1)
    back = gates @ w_ru.T
    d_h_prev = back[:, inputs:] + d_reset * r + d_h * u
    return back[:, :inputs] + back_c[:, :inputs], d_h_prev, d_c_bar, gates
