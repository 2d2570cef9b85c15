# pyright: basic
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Machine(_message.Message):
    __slots__ = ("device", "link", "task", "ray_address")
    class Device(_message.Message):
        __slots__ = ("name", "memory", "speed", "bandwidth")
        NAME_FIELD_NUMBER: _ClassVar[int]
        MEMORY_FIELD_NUMBER: _ClassVar[int]
        SPEED_FIELD_NUMBER: _ClassVar[int]
        BANDWIDTH_FIELD_NUMBER: _ClassVar[int]
        name: str
        memory: str
        speed: str
        bandwidth: str
        def __init__(self, name: _Optional[str] = ..., memory: _Optional[str] = ..., speed: _Optional[str] = ..., bandwidth: _Optional[str] = ...) -> None: ...
    class Link(_message.Message):
        __slots__ = ("source", "target", "bandwidth", "latency", "one_way")
        SOURCE_FIELD_NUMBER: _ClassVar[int]
        TARGET_FIELD_NUMBER: _ClassVar[int]
        BANDWIDTH_FIELD_NUMBER: _ClassVar[int]
        LATENCY_FIELD_NUMBER: _ClassVar[int]
        ONE_WAY_FIELD_NUMBER: _ClassVar[int]
        source: str
        target: str
        bandwidth: str
        latency: str
        one_way: bool
        def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., bandwidth: _Optional[str] = ..., latency: _Optional[str] = ..., one_way: bool = ...) -> None: ...
    class Task(_message.Message):
        __slots__ = ("name", "address")
        NAME_FIELD_NUMBER: _ClassVar[int]
        ADDRESS_FIELD_NUMBER: _ClassVar[int]
        name: str
        address: str
        def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    RAY_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    device: _containers.RepeatedCompositeFieldContainer[Machine.Device]
    link: _containers.RepeatedCompositeFieldContainer[Machine.Link]
    task: _containers.RepeatedCompositeFieldContainer[Machine.Task]
    ray_address: str
    def __init__(self, device: _Optional[_Iterable[_Union[Machine.Device, _Mapping[str, object]]]] = ..., link: _Optional[_Iterable[_Union[Machine.Link, _Mapping[str, object]]]] = ..., task: _Optional[_Iterable[_Union[Machine.Task, _Mapping[str, object]]]] = ..., ray_address: _Optional[str] = ...) -> None: ...
