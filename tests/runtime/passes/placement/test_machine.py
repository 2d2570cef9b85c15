"""Machines: counts of devices, and files that describe them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt.errors import TfgError
from tfg.runtime.passes.placement.machine.machine import Machine, parse_devices
from tfg.runtime.passes.placement.machine.machine_file import machine_from_text

HERE = "/job:localhost/replica:0/task:0/device:"
CPU0 = 'device { name: "/device:CPU:0" memory: "8 GiB" speed: "50 GFLOP/s" bandwidth: "10 GB/s" }\n'
CPU1 = CPU0.replace("CPU:0", "CPU:1")
LINK = 'link { source: "/device:CPU:0" target: "/device:CPU:1" bandwidth: "2GB/s" latency: "20us" }\n'


def read(text: str) -> Machine:
    return machine_from_text(text, "m.pbtxt")


@pytest.mark.parametrize(
    "spec, names",
    [
        ("cpu", ["CPU:0"]),
        ("CPU:2", ["CPU:0", "CPU:1"]),
        ("cpu:1, gpu:2", ["CPU:0", "GPU:0", "GPU:1"]),
    ],
)
def test_machines_by_counts(spec: str, names: list[str]) -> None:
    machine = parse_devices(spec)
    assert list(machine.names) == [HERE + name for name in names]
    assert len(machine.links) == len(names) * (len(names) - 1)
    assert all(machine.transfer_time(a, b, 1000) > 0 for a in machine.names for b in machine.names if a != b)
    assert machine.transfer_time(machine.names[0], machine.names[0], 1000) == 0


@pytest.mark.parametrize(
    "spec, message",
    [
        ("tpu:2", "unknown device type 'tpu'; there are cpu and gpu"),
        ("cpu:0", "'0' is not a number of devices from 1 to 256"),
        ("cpu:-1", "'-1' is not a number"),
        ("cpu:x", "'x' is not a number"),
        ("cpu:" + "9" * 1000, "9...' is not a number"),
        ("cpu:200,gpu:200", "400 devices are more than 256"),
        ("cpu:1,cpu:2", "cpu is given twice"),
        ("cpu,,gpu", "'' is not of the form cpu:2"),
        ("", "names no device"),
        ("missing.pbtxt", "there is no such file"),
    ],
)
def test_counts_that_make_no_machine(spec: str, message: str) -> None:
    with pytest.raises(TfgError) as caught:
        parse_devices(spec)
    assert message in caught.value.message


def test_a_machine_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "two.pbtxt"
    path.write_text(CPU0 + CPU1.replace('memory: "8 GiB"', "") + LINK)
    machine = parse_devices(str(path))
    first, second = machine.devices
    assert (first.name, first.type, first.memory) == (HERE + "CPU:0", "CPU", 8 << 30)
    assert (first.speed, first.bandwidth, second.memory) == (50e9, 10e9, None)
    for source, target in (machine.names, machine.names[::-1]):
        assert machine.transfer_time(source, target, 2e9) == pytest.approx(1.00002)


def test_links_by_parts_of_names_and_tasks() -> None:
    tasks = [CPU0.replace("/device", f"/job:worker/task:{i}/device") for i in range(3)]
    slow = 'link { source: "/job:worker" target: "/job:worker" bandwidth: "1 GB/s" latency: "1 ms" }'
    fast = 'link { source: "/task:0" target: "/task:2" bandwidth: "1 GB/s" latency: "0 s" one_way: true }'
    machine = read("".join(tasks) + slow + fast)
    a, b, c = machine.names
    assert a == "/job:worker/replica:0/task:0/device:CPU:0"
    assert [machine.transfer_time(*ends, 0) for ends in ((a, b), (b, a), (a, c), (c, a))] == [
        0.001, 0.001, 0, 0.001,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text, place, message",
    [
        ("", "1:1", "describes no device"),
        (CPU0 + CPU1, "2:1", f"there is no link from '{HERE}CPU:0' to '{HERE}CPU:1'"),
        (CPU0 + CPU1 + LINK.replace("}", "one_way: true }"), "1:1", "there is no link from"),
        (CPU0 + CPU0, "2:1", "is described twice"),
        (CPU0 + LINK, "2:1", "the target of the link, '/device:CPU:1', is none of the devices described"),
        (CPU0 + LINK.replace("CPU:1", "CPU:0"), "2:1", "to itself"),
        (CPU0.replace("8 GiB", "-8 GiB"), "1:40", 'memory "-8 GiB" must be greater than 0'),
        (CPU0.replace("8 GiB", "0 B"), "1:40", 'memory "0 B" must be greater than 0'),
        (CPU0.replace("8 GiB", "8 giga"), "1:40", 'memory "8 giga" is not a number with a unit'),
        (CPU0.replace("50 G", "0 G"), "1:55", "speed"),
        (CPU0.replace("10 GB/s", "10 GB"), "1:79", "bandwidth"),
        (CPU0 + CPU1 + LINK.replace("20us", "-1us"), "3:84", 'latency "-1us" must not be negative'),
        (CPU0.replace('speed: "50 GFLOP/s"', ""), "1:1", "the device has no speed"),
        (CPU0.replace("CPU:0", "CPU"), "1:16", "does not name one device"),
        (CPU0.replace("/device:CPU:0", "cpu:0"), "1:16", "Malformed device specification 'cpu:0'"),
        (CPU0.replace("memory", "memoir"), "1:32", "no field 'memoir'"),
    ],
)
def test_files_that_describe_no_machine(text: str, place: str, message: str) -> None:
    with pytest.raises(TfgError) as caught:
        read(text)
    assert message in caught.value.message
    assert str(caught.value.location) == f"m.pbtxt:{place}"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mutated_files_are_read_or_refused_with_a_place(data: st.DataObject) -> None:
    text = CPU0 + CPU1 + LINK
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(len(text), at + 5)))
    mutated = text[:at] + data.draw(st.text(' "{}:-0e9G/*#', max_size=4)) + text[end:]
    try:
        machine = read(mutated)
    except TfgError as error:
        assert error.location is not None and error.location.line
    else:
        assert all(device.memory is None or device.memory > 0 for device in machine.devices)
