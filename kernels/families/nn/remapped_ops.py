"""Products, convolutions and normalizations with an epilogue, as TensorFlow's graph optimizer leaves them.

Grappler's remapper (core/grappler/optimizers/remapper.cc) writes them into optimized and exported graphs. They have no
gradients, in TensorFlow either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape
from ...core.registry import Family, get
from .epilogues import Epilogue, epilogue

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_EPILOGUE = "fused_ops: list(string) = [], epsilon: float = 0.0001, leakyrelu_alpha: float = 0.2"
_DILATIONS = "dilations: list(int) = [1, 1, 1, 1]"
_FORMAT = "data_format: string in {'NHWC', 'NCHW'} = \"NHWC\""


def _static_epilogue(c: ShapeContext) -> Epilogue:
    a = c.attrs
    return epilogue(a["fused_ops"], a["num_args"], a["epsilon"], a["leakyrelu_alpha"])


def _product_shape(unfused: str, c: ShapeContext) -> Shape:
    """The shape of the operation without its epilogue, which does not change it."""
    _static_epilogue(c)
    shape = get(unfused).shape(c)
    assert isinstance(shape, Shape)
    return shape


def _channel_axis(data_format: str) -> int:
    return 1 if data_format == "NCHW" else -1


def _kernel_of(unfused: str) -> Any:
    kernel = get(unfused).kernel_function
    assert kernel is not None
    return kernel


fused_matmul = op(
    "_FusedMatMul(a: T, b: T, args: num_args*T; transpose_a: bool = false, transpose_b: bool = false, "
    f"T: type in {{bfloat16, half, float}}, num_args: int >= 0, {_EPILOGUE}) -> (product: T)",
    shape=lambda c: _product_shape("MatMul", c),
)


@fused_matmul.kernel
def _(
    xp: Any, a: Any, b: Any, args: Any, *, transpose_a: bool, transpose_b: bool,
    num_args: int, fused_ops: Any, epsilon: float, leakyrelu_alpha: float,
) -> Any:  # fmt: skip
    product = _kernel_of("MatMul")(xp, a, b, transpose_a=transpose_a, transpose_b=transpose_b)
    return epilogue(fused_ops, num_args, epsilon, leakyrelu_alpha).apply(xp, product, args, -1)


fused_conv2d = op(
    "_FusedConv2D(input: T, filter: T, args: *TArgs, host_args: num_host_args*float; T: type in {half, float, double, "
    "int8, qint8}, TArgs: list(type) >= 1, num_args: int >= 0, num_host_args: int >= 0 = 0, strides: list(int), "
    "padding: string in {'SAME', 'VALID', 'EXPLICIT'}, explicit_paddings: list(int) = [], "
    "data_format: string in {'NHWC', 'NCHW', 'NCHW_VECT_C'} = \"NHWC\", "
    "filter_format: string in {'HWIO', 'OIHW', 'OIHW_VECT_I'} = \"HWIO\", "
    f"{_DILATIONS}, use_cudnn_on_gpu: bool = true, {_EPILOGUE}) -> (output: T)",
    shape=lambda c: _conv_shape(c),
    kernel_types={"T": "half float double"},
)


def _conv_shape(c: ShapeContext) -> Shape:
    _check_layout(c.attrs["data_format"], c.attrs["filter_format"])
    return _product_shape("Conv2D", c)


def _check_layout(data_format: str, filter_format: str) -> None:
    if filter_format != "HWIO" or data_format == "NCHW_VECT_C":
        raise TfgError(
            Status.UNIMPLEMENTED,
            f"a fused convolution of data_format {data_format} and filter_format {filter_format} is for GPUs alone",
        )


@fused_conv2d.kernel
def _(
    xp: Any, x: Any, w: Any, args: Any, host_args: Any, *, num_args: int, strides: Any, padding: str,
    explicit_paddings: Any, data_format: str, filter_format: str, dilations: Any,
    fused_ops: Any, epsilon: float, leakyrelu_alpha: float,
) -> Any:  # fmt: skip
    _check_layout(data_format, filter_format)
    if host_args:
        raise invalid(f"host_args are for int8 convolutions, but there are {len(host_args)}")
    y = _kernel_of("Conv2D")(
        xp, x, w, strides=strides, dilations=dilations, padding=padding,
        explicit_paddings=explicit_paddings, data_format=data_format,
    )  # fmt: skip
    after = epilogue(fused_ops, num_args, epsilon, leakyrelu_alpha)
    return after.apply(xp, y, args, _channel_axis(data_format)).astype(x.dtype, copy=False)


fused_depthwise = op(
    "_FusedDepthwiseConv2dNative(input: T, filter: T, args: num_args*T; T: type in {half, bfloat16, float, double}, "
    "num_args: int >= 0, strides: list(int), padding: string in {'SAME', 'VALID'}, "
    f"{_FORMAT}, {_DILATIONS}, {_EPILOGUE}) -> (output: T)",
    shape=lambda c: _product_shape("DepthwiseConv2dNative", c),
)


@fused_depthwise.kernel
def _(
    xp: Any, x: Any, w: Any, args: Any, *, num_args: int, strides: Any, padding: str, data_format: str, dilations: Any,
    fused_ops: Any, epsilon: float, leakyrelu_alpha: float,
) -> Any:  # fmt: skip
    y = _kernel_of("DepthwiseConv2dNative")(
        xp, x, w, strides=strides, padding=padding, explicit_paddings=(), data_format=data_format,
        dilations=dilations,
    )  # fmt: skip
    after = epilogue(fused_ops, num_args, epsilon, leakyrelu_alpha)
    return after.apply(xp, y, args, _channel_axis(data_format)).astype(x.dtype, copy=False)


fused_batch_norm = op(
    "_FusedBatchNormEx(x: T, scale: U, offset: U, mean: U, variance: U, side_input: num_side_inputs*T; "
    "T: type in {half, float, bfloat16}, U: type in {float}, epsilon: float = 0.0001, "
    'exponential_avg_factor: float = 1, num_side_inputs: int >= 0 = 0, activation_mode: string = "Identity", '
    f"{_FORMAT}, is_training: bool = true) -> (y: T, batch_mean: U, batch_variance: U, reserve_space_1: U, "
    "reserve_space_2: U, reserve_space_3: U)",
    shape=lambda c: _batch_norm_shape(c),
)


def _batch_norm_shape(c: ShapeContext) -> Any:
    outputs = get("FusedBatchNormV3").shape(c)
    for position in range(5, len(c.bound.input_types)):
        outputs[0].merge(c.input(position))
    return outputs


@fused_batch_norm.kernel
def _(
    xp: Any, x: Any, scale: Any, offset: Any, mean: Any, variance: Any, side_input: Any, *,
    epsilon: float, exponential_avg_factor: float, activation_mode: str, data_format: str, is_training: bool,
) -> Any:  # fmt: skip
    if activation_mode not in ("Identity", "Relu"):
        raise TfgError(Status.UNIMPLEMENTED, f"activation_mode {activation_mode!r} cannot be fused")
    if len(side_input) > 1:
        raise invalid(f"there can be one side input, not {len(side_input)}")
    y, *statistics = _kernel_of("FusedBatchNormV3")(
        xp, x, scale, offset, mean, variance, epsilon=epsilon, exponential_avg_factor=exponential_avg_factor,
        data_format=data_format, is_training=is_training,
    )  # fmt: skip
    for other in side_input:
        if other.shape != y.shape:
            raise invalid(f"the side input has shape {other.shape}, but x has shape {y.shape}")
        y = y + other
    return [xp.maximum(y, y.dtype.type(0)) if activation_mode == "Relu" else y, *statistics]
