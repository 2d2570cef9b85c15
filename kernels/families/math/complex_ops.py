"""Complex numbers: construction, conjugation, real and imaginary parts, magnitude and angle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...builder.broadcast_gradients import sum_to
from ...core import shapes
from ...core.registry import Family, Op

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor

family = Family(__name__)
op = family.op

complex_ = op(
    "Complex(real: T, imag: T; T: type in {float, double} = float, "
    "Tout: type in {complex64, complex128} = complex64) -> (out: Tout)",
    shape=shapes.broadcast_inputs,
    allocates_output=True,
)


def _declare_part(
    name: str, arguments: str = "input: T", output: str = "output", *, allocates_output: bool = True
) -> Op:
    """Declares an operation that maps each complex number to a real one."""
    return op(
        f"{name}({arguments}; T: type in {{complex64, complex128}} = complex64, "
        f"Tout: type in {{float, double}} = float) -> ({output}: Tout)",
        shape=shapes.like_input,
        allocates_output=allocates_output,
    )


# The results are views of the input.
real = _declare_part("Real", allocates_output=False)
imag = _declare_part("Imag", allocates_output=False)
angle = _declare_part("Angle")
complex_abs = _declare_part("ComplexAbs", "x: T", "y")
conj = op(
    "Conj(input: T; T: type in {complex64, complex128, variant} = complex64) -> (output: T)",
    shape=shapes.like_input,
)


@complex_.kernel
def _(xp: Any, real: Any, imag: Any, *, Tout: DType) -> Any:
    """Writes the parts separately: adding i times an infinity would make the real part NaN."""
    if real.shape != imag.shape:
        real, imag = xp.broadcast_arrays(real, imag)
    whole = xp.empty(real.shape, Tout.numpy)
    whole.real = real
    whole.imag = imag
    return whole


@real.kernel
def _(xp: Any, x: Any, *, Tout: DType) -> Any:
    return x.real.astype(Tout.numpy, copy=False)


@imag.kernel
def _(xp: Any, x: Any, *, Tout: DType) -> Any:
    return x.imag.astype(Tout.numpy, copy=False)


@angle.kernel
def _(xp: Any, x: Any, *, Tout: DType) -> Any:
    return xp.arctan2(x.imag, x.real).astype(Tout.numpy, copy=False)


@complex_abs.kernel
def _(xp: Any, x: Any, *, Tout: DType) -> Any:
    return xp.abs(x).astype(Tout.numpy, copy=False)


@conj.kernel
def _(xp: Any, x: Any) -> Any:
    return xp.conj(x) if getattr(x, "dtype", None) not in (None, object) else x


@complex_.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    return sum_to(g, g.Real(dz, Tout=x.dtype), x, y), sum_to(g, g.Imag(dz, Tout=y.dtype), y, x)


def _to_complex(g: GraphBuilder, real: Tensor, like: Tensor, *, is_imag: bool = False) -> Tensor:
    zero = g.constant(0, real.dtype)
    return g.Complex(*((zero, real) if is_imag else (real, zero)), Tout=like.dtype)


@real.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return _to_complex(g, dy, node.inputs[0])


@imag.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return _to_complex(g, dy, node.inputs[0], is_imag=True)


@angle.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = node.inputs[0]
    turned = g.Complex(g.Imag(x, Tout=dy.dtype), g.Real(x, Tout=dy.dtype), Tout=x.dtype)
    return -(_to_complex(g, dy, x) * g.Reciprocal(turned))


@complex_abs.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = node.inputs[0]
    return g.DivNoNan(_to_complex(g, dy, x) * x, _to_complex(g, node.outputs[0], x))


@conj.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.Conj(dy)
