"""Lookup tables: HashTable and the mutable ones, with what is done to them, in both versions (lookup_table_op.cc in
TensorFlow). A handle, a reference to a string or a resource, is the table itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport, StateAccess
from .tables import LookupTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_NAMES = 'container: string = "", shared_name: string = "", use_node_name_sharing: bool = false, '
_TYPES = "key_dtype: type, value_dtype: type"
_SHAPE = ", value_shape: shape = []"
_BUCKETS = f"{_SHAPE}, initial_num_buckets: int = 131072, max_load_factor: float = 0.8"


def _pair(c: ShapeContext) -> Shape:
    """The shape of a V1 handle: container and name."""
    return Shape((2,))


def _shared(ctx: Any, wanted: LookupTable, container: str) -> LookupTable:
    """Returns the table of that name, which is made on first use. Raises INVALID_ARGUMENT for one of other types."""
    table = ctx.resource(container, wanted.name, LookupTable, lambda: wanted)
    for what in ("op", "key_dtype", "value_dtype", "value_shape"):
        if getattr(table, what) != getattr(wanted, what):
            raise invalid(
                f"table {table.name!r} is a {table.op} from {table.key_dtype} to {table.value_dtype}"
                f"{table.value_shape}, "
                f"not a {wanted.op} from {wanted.key_dtype} to {wanted.value_dtype}{wanted.value_shape}"
            )
    return table


def _check_value_shape(shape: Shape) -> Shape:
    if not shape.is_fully_known or (shape.rank or 0) > 1:
        raise invalid(f"Default value must be a vector or scalar, but value_shape is {shape}")
    return shape


def _hash_table(op_name: str) -> Callable[..., LookupTable]:
    def make(
        ctx: Any,
        xp: Any,
        *,
        node_name: str,
        container: str,
        shared_name: str,
        key_dtype: DType,
        value_dtype: DType,
    ) -> LookupTable:
        return _shared(ctx, LookupTable(op_name, shared_name or node_name, key_dtype, value_dtype), container)

    return make


def _table_of_tensors(
    ctx: Any, xp: Any, *, node_name: str, container: str, shared_name: str, key_dtype: DType, value_dtype: DType,
    value_shape: Shape,
) -> LookupTable:  # fmt: skip
    shape = _check_value_shape(value_shape)
    name = shared_name or node_name
    return _shared(
        ctx, LookupTable("MutableHashTableOfTensors", name, key_dtype, value_dtype, shape), container
    )


def _dense(
    name: str, key_dtype: DType, value_dtype: DType, shape: Shape, buckets: int, reserved: Any
) -> LookupTable:
    if buckets < 1 or buckets & (buckets - 1):
        raise invalid(f"initial_num_buckets must be a power of 2, got: {buckets}")
    if any(np.ndim(key) for key in reserved):
        raise invalid(
            f"empty and deleted keys must be scalars, but have shapes {[np.shape(key) for key in reserved]}"
        )
    keys = [key[()].item() if hasattr(key[()], "item") else key[()] for key in map(np.asarray, reserved)]
    if len(keys) == 2 and keys[0] == keys[1]:
        raise invalid("Empty and deleted keys must be different.")
    return LookupTable("MutableDenseHashTable", name, key_dtype, value_dtype, shape, keys)


def _dense_table(
    ctx: Any, xp: Any, *reserved: Any, node_name: str, container: str, shared_name: str, key_dtype: DType,
    value_dtype: DType, value_shape: Shape, initial_num_buckets: int,
) -> LookupTable:  # fmt: skip
    name = shared_name or node_name
    made = _dense(name, key_dtype, value_dtype, value_shape, initial_num_buckets, reserved)
    return _shared(ctx, made, container)


def _anonymous_hash_table(xp: Any, *, node_name: str, key_dtype: DType, value_dtype: DType) -> LookupTable:
    return LookupTable("HashTable", node_name, key_dtype, value_dtype)


def _anonymous_mutable(xp: Any, *, node_name: str, key_dtype: DType, value_dtype: DType) -> LookupTable:
    return LookupTable("MutableHashTable", node_name, key_dtype, value_dtype)


def _anonymous_of_tensors(
    xp: Any, *, node_name: str, key_dtype: DType, value_dtype: DType, value_shape: Shape
) -> LookupTable:
    shape = _check_value_shape(value_shape)
    return LookupTable("MutableHashTableOfTensors", node_name, key_dtype, value_dtype, shape)


def _anonymous_dense(
    xp: Any, empty_key: Any, deleted_key: Any, *, node_name: str, key_dtype: DType, value_dtype: DType,
    value_shape: Shape, initial_num_buckets: int,
) -> LookupTable:  # fmt: skip
    reserved = (empty_key, deleted_key)
    return _dense(node_name, key_dtype, value_dtype, value_shape, initial_num_buckets, reserved)


def _declare_table(
    name: str, inputs: str, attrs: str, make: Callable[..., Any], handle: str, **traits: Any
) -> None:
    op(
        f"{name}({inputs}; {attrs}) -> (table_handle: {handle})",
        shape=shapes.scalar if handle == "resource" else _pair,
        stateful=True,
        state=StateAccess.READS,
        **traits,
    ).kernel(make)


for _version, _handle, _reserved in (
    ("", "Ref(string)", "empty_key: key_dtype"),
    ("V2", "resource", "empty_key: key_dtype, deleted_key: key_dtype"),
):
    for _name in ("HashTable", "MutableHashTable"):
        _declare_table(
            f"{_name}{_version}", "", f"{_NAMES}{_TYPES}", _hash_table(_name), _handle, differentiable=False
        )
    _declare_table(
        f"MutableHashTableOfTensors{_version}", "", f"{_NAMES}{_TYPES}{_SHAPE}", _table_of_tensors, _handle,
        differentiable=False,
    )  # fmt: skip
    _declare_table(
        f"MutableDenseHashTable{_version}", _reserved, f"{_NAMES}{_TYPES}{_BUCKETS}", _dense_table, _handle,
        differentiable=False,
    )  # fmt: skip

_declare_table("AnonymousHashTable", "", _TYPES, _anonymous_hash_table, "resource")
_declare_table("AnonymousMutableHashTable", "", _TYPES, _anonymous_mutable, "resource")
_declare_table(
    "AnonymousMutableHashTableOfTensors", "", f"{_TYPES}{_SHAPE}", _anonymous_of_tensors, "resource"
)
_declare_table(
    "AnonymousMutableDenseHashTable", "empty_key: key_dtype, deleted_key: key_dtype", f"{_TYPES}{_BUCKETS}",
    _anonymous_dense, "resource",
)  # fmt: skip


def _table(handle: Any, keys: DType | None = None, values: DType | None = None) -> LookupTable:
    """Returns the table of a handle. Raises INVALID_ARGUMENT if it is none, or of other dtypes."""
    if not isinstance(handle, LookupTable):
        raise invalid(f"the handle must be of a lookup table, but is of a {type(handle).__name__}")
    if keys is not None and handle.key_dtype is not keys:
        raise invalid(f"table {handle.name!r} has keys of {handle.key_dtype}, not {keys}")
    if values is not None and handle.value_dtype is not values:
        raise invalid(f"table {handle.name!r} has values of {handle.value_dtype}, not {values}")
    return handle


def _find(xp: Any, handle: Any, keys: Any, default: Any, *, Tin: DType, Tout: DType) -> Any:
    return _table(handle, Tin, Tout).find(np.asarray(keys), _as_array(default, Tout))


def _as_array(value: Any, dtype: DType) -> Any:
    if isinstance(value, np.ndarray):
        return value
    array = np.empty((), dtype.numpy)
    array[()] = value
    return array


def _insert(xp: Any, handle: Any, keys: Any, values: Any, *, Tin: DType, Tout: DType) -> Any:
    _mutable(_table(handle, Tin, Tout)).insert(_as_array(keys, Tin), _as_array(values, Tout))
    return ()


def _import(xp: Any, handle: Any, keys: Any, values: Any, *, Tin: DType, Tout: DType) -> Any:
    table, keys, values = _table(handle, Tin, Tout), _as_array(keys, Tin), _as_array(values, Tout)
    if table.is_static:
        table.initialize(keys, values)
    else:
        table.replace(keys, values)
    return ()


def _remove(xp: Any, handle: Any, keys: Any, *, Tin: DType) -> Any:
    _mutable(_table(handle, Tin)).remove(_as_array(keys, Tin))
    return ()


def _mutable(table: LookupTable) -> LookupTable:
    if table.is_static:
        raise TfgError(
            Status.UNIMPLEMENTED, f"{table.op} {table.name!r} is initialized once, and not changed"
        )
    return table


def _size(xp: Any, handle: Any) -> Any:
    return np.int64(_table(handle).size)


def _export(xp: Any, handle: Any, *, Tkeys: DType, Tvalues: DType) -> Any:
    return _table(handle, Tkeys, Tvalues).export()


def _initialize(xp: Any, handle: Any, keys: Any, values: Any, *, Tkey: DType, Tval: DType) -> Any:
    table, keys, values = _table(handle, Tkey, Tval), _as_array(keys, Tkey), _as_array(values, Tval)
    if keys.ndim != 1 or values.ndim != 1:
        raise invalid("Keys and values must be vectors")
    if len(keys) != len(values):
        raise invalid(f"Keys and values must have the same size: {len(keys)} vs {len(values)}")
    table.initialize(keys, values)
    return ()


def _initialize_from_file(
    xp: Any, handle: Any, filename: Any, *, key_index: int, value_index: int, vocab_size: int, delimiter: str,
    offset: int,
) -> Any:  # fmt: skip
    from .text_files import TextColumns, read_columns

    table = _table(handle)
    name = filename[()] if isinstance(filename, np.ndarray) else filename
    columns = TextColumns(key_index, value_index, vocab_size, delimiter, offset)
    keys, values = read_columns(name, columns, table.key_dtype, table.value_dtype)
    table.initialize(keys, values)
    return ()


def _found_shape(c: ShapeContext) -> Shape:
    return (
        UNKNOWN
        if c.input("keys").rank is None
        else c.input("keys")
        if c.input("default_value").rank == 0
        else UNKNOWN
    )


def _declare_uses(version: str, handle: str) -> None:
    stateful = bool(version)
    table = f"table_handle: {handle}"
    reads: dict[str, Any] = {"stateful": stateful, "state": StateAccess.READS}
    changes: dict[str, Any] = {"shape": shapes.no_outputs, "stateful": stateful, "state": StateAccess.CHANGES}
    op(
        f"LookupTableFind{version}({table}, keys: Tin, default_value: Tout; Tin: type, Tout: type) -> (values: Tout)",
        shape=_found_shape,
        differentiable=False,
        **reads,
    ).kernel(_find)
    pairs = f"{table}, keys: Tin, values: Tout; Tin: type, Tout: type"
    op(f"LookupTableInsert{version}({pairs})", differentiable=False, **changes).kernel(_insert)
    op(f"LookupTableImport{version}({pairs})", **changes).kernel(_import)
    op(
        f"LookupTableSize{version}({table}) -> (size: int64)",
        shape=shapes.scalar,
        differentiable=False,
        **reads,
    ).kernel(_size)
    op(
        f"LookupTableExport{version}({table}; Tkeys: type, Tvalues: type) -> (keys: Tkeys, values: Tvalues)",
        shape=lambda c: (Shape((None,)), UNKNOWN),
        **reads,
    ).kernel(_export)
    op(
        f"InitializeTable{version}({table}, keys: Tkey, values: Tval; Tkey: type, Tval: type)",
        differentiable=False,
        **changes,
    ).kernel(_initialize)
    op(
        f"InitializeTableFromTextFile{version}({table}, filename: string; key_index: int >= -2, "
        "value_index: int >= -2, "
        'vocab_size: int >= -1 = -1, delimiter: string = "\\t", offset: int = 0)',
        differentiable=False,
        effects=Effects(reads_files=("filename",)),
        **changes,
    ).kernel(_initialize_from_file)


_declare_uses("", "Ref(string)")
_declare_uses("V2", "resource")
op(
    "LookupTableRemoveV2(table_handle: resource, keys: Tin; Tin: type)",
    shape=shapes.no_outputs,
    stateful=True,
    state=StateAccess.CHANGES,
).kernel(_remove)
