# pyright: basic
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Delivery(_message.Message):
    __slots__ = ("step", "value")
    class Value(_message.Message):
        __slots__ = ("key", "is_dead", "dtype", "dim", "length")
        KEY_FIELD_NUMBER: _ClassVar[int]
        IS_DEAD_FIELD_NUMBER: _ClassVar[int]
        DTYPE_FIELD_NUMBER: _ClassVar[int]
        DIM_FIELD_NUMBER: _ClassVar[int]
        LENGTH_FIELD_NUMBER: _ClassVar[int]
        key: str
        is_dead: bool
        dtype: int
        dim: _containers.RepeatedScalarFieldContainer[int]
        length: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, key: _Optional[str] = ..., is_dead: bool = ..., dtype: _Optional[int] = ..., dim: _Optional[_Iterable[int]] = ..., length: _Optional[_Iterable[int]] = ...) -> None: ...
    STEP_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    step: int
    value: _containers.RepeatedCompositeFieldContainer[Delivery.Value]
    def __init__(self, step: _Optional[int] = ..., value: _Optional[_Iterable[_Union[Delivery.Value, _Mapping[str, object]]]] = ...) -> None: ...
