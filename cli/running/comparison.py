"""Runs ``tfg compare``: opens both sides, and compares their values a few at a time, in execution order."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ...graphfmt import dtypes
from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.files import read_file
from ...graphfmt.graph import endpoint
from ...graphfmt.shapes import Shape
from ...runtime.value_comparison import ComparedValue, compare_values
from .bench_subject import BenchSubject, SubjectSettings
from .compared_sources import FileValues, GraphValues, ValueSource, is_values_file

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from ...graphfmt.tensors import Array
    from ...runtime.checkpointing.differences import Tolerance
    from ..common.options import FeedOptions, FetchOptions

# What a group of values that are read at once may take, and the most values in it.
_GROUP_BYTES = 16 << 20
_MOST_IN_GROUP = 64
# What a value of unknown size is taken for.
_UNKNOWN_BYTES = 2 << 20


class SideOptions(Protocol):
    """The options that say how both graphs are run."""

    @property
    def fetch(self) -> FetchOptions: ...
    @property
    def feed(self) -> FeedOptions: ...
    @property
    def signature(self) -> str | None: ...
    @property
    def init(self) -> tuple[str, ...]: ...
    @property
    def state(self) -> str | None: ...
    @property
    def devices(self) -> str | None: ...
    @property
    def b_devices(self) -> str | None: ...
    @property
    def optimize(self) -> str: ...
    @property
    def b_optimize(self) -> str: ...


class ValueType(NamedTuple):
    """The dtype and shape of a value."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype}{Shape(self.shape)}"


class Difference(NamedTuple):
    """A value that differs; ``inputs`` are those of its node, each with ``equal``, ``differs`` or ``not compared``."""

    name: str
    name_in_b: str
    op: str | None
    a: ValueType
    b: ValueType
    value: ComparedValue
    inputs: Sequence[tuple[str, str]]


class ComparisonFailure(NamedTuple):
    """A value that A, B or both could not compute: the errors, None for a side that computed it or did not try."""

    name: str
    a: TfgError | None
    b: TfgError | None


class Comparison(NamedTuple):
    """The result of a comparison: differences and failures in execution order."""

    compared: int
    not_executed: Sequence[str]
    failures: Sequence[ComparisonFailure]
    differences: Sequence[Difference]


@contextmanager
def open_sides(a: str, b: str, options: SideOptions) -> Generator[tuple[ValueSource, ValueSource]]:
    """Opens both sides. Graphs get the same feeds, and the same state if one is given."""
    with ExitStack() as stack:
        first: GraphValues | None = None
        sides: list[ValueSource] = []
        for path, devices, optimize in (
            (a, options.devices, options.optimize),
            (b, options.b_devices, options.b_optimize),
        ):
            if is_values_file(path):
                sides.append(FileValues(path))
                continue
            settings = SubjectSettings(devices, optimize == "on")
            graph = _open_graph(path, options, settings, first)
            first = first or graph
            sides.append(graph)
            stack.callback(graph.close)
        yield sides[0], sides[1]


def _open_graph(
    path: str, options: SideOptions, settings: SubjectSettings, first: GraphValues | None
) -> GraphValues:
    subject = BenchSubject(path, options.fetch, options.feed, options.signature, options.init, settings)
    if options.state is not None:
        subject.session.restore(options.state)
    if first is None:
        subject.prepare(None)
    else:
        subject.share_feeds(first.subject)
    return GraphValues(subject)


def run_comparison(
    a: ValueSource, b: ValueSource, names_file: str | None, tolerances: Mapping[str, Tolerance]
) -> Comparison:
    """Compares all values of the same name. Raises INVALID_ARGUMENT if there are none."""
    pairs = _pairs(a, b, names_file)
    verdicts: dict[str, str] = {}
    differences: list[Difference] = []
    missing: list[str] = []
    failures: list[ComparisonFailure] = []
    graph = next((side for side in (a, b) if isinstance(side, GraphValues)), None)
    for name, other, value_a, value_b in _values(a, b, pairs):
        if value_a is None or value_b is None:
            failed = ComparisonFailure(name, a.failures.get(name), b.failures.get(other))
            if failed.a is None and failed.b is None:
                missing.append(name)
            else:
                failures.append(failed)
            continue
        compared = compare_values(value_a, value_b, tolerances)
        in_graph = other if graph is b else name
        verdicts[in_graph] = "equal" if compared.how == "equal" else "differs"
        if compared.how != "equal":
            op, inputs = _origin(graph, in_graph, verdicts)
            types = _type(value_a), _type(value_b)
            differences.append(Difference(name, other, op, *types, compared, inputs))
    if not verdicts and not failures:
        raise invalid(f"{a.path!r} and {b.path!r} have no value that both compute", hint="see --names")
    return Comparison(len(verdicts), missing, failures, differences)


def _pairs(a: ValueSource, b: ValueSource, names_file: str | None) -> Sequence[tuple[str, str]]:
    """Returns the names that correspond, in the execution order of the side that is a graph."""
    given = {} if names_file is None else _read_names(Path(names_file))
    in_b = set(b.names)
    pairs = [(name, given.get(name, name)) for name in a.names]
    pairs = [(one, other) for one, other in pairs if other in in_b]
    if not pairs:
        raise invalid(f"{a.path!r} and {b.path!r} have no value of the same name", hint="see --names")
    if not isinstance(a, GraphValues) and isinstance(b, GraphValues):
        name_in_a = {other: one for one, other in pairs}
        pairs = [(name_in_a[other], other) for other in b.names if other in name_in_a]
    return pairs


def _read_names(path: Path) -> Mapping[str, str]:
    names: dict[str, str] = {}
    for number, line in enumerate(read_file(path)[0].decode("utf-8", "replace").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:
            raise TfgError(Status.INVALID_ARGUMENT, f"{path}:{number}: not two names: {line.strip()!r}")
        names[words[0].removesuffix(":0")] = words[1].removesuffix(":0")
    return names


def _values(
    a: ValueSource, b: ValueSource, pairs: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str, Array | None, Array | None]]:
    """Yields the names and values of each pair. Values are read in groups of limited size."""
    for group in _groups(a, b, pairs):
        of_a = a.read([one for one, _ in group])
        of_b = b.read([other for _, other in group])
        for one, other in group:
            yield one, other, of_a.get(one), of_b.get(other)


def _groups(
    a: ValueSource, b: ValueSource, pairs: Sequence[tuple[str, str]]
) -> Iterator[Sequence[tuple[str, str]]]:
    group: list[tuple[str, str]] = []
    held = 0
    for one, other in pairs:
        # Two values of which one is known have the same size, or else one of them is small.
        sizes = [size for size in (a.size(one), b.size(other)) if size is not None]
        size = 2 * max(sizes) if sizes else _UNKNOWN_BYTES
        if group and (held + size > _GROUP_BYTES or len(group) == _MOST_IN_GROUP):
            yield group
            group, held = [], 0
        group.append((one, other))
        held += size
    if group:
        yield group


def _origin(
    graph: GraphValues | None, name: str, verdicts: Mapping[str, str]
) -> tuple[str | None, Sequence[tuple[str, str]]]:
    """Returns the operation of a value, and its inputs with their verdicts."""
    node = None if graph is None else graph.subject.graph.index.get(endpoint(name).node)
    if graph is None or node is None:
        return None, ()
    fed = {str(endpoint(feed)).removesuffix(":0") for feed in graph.subject.feeds}
    inputs = [str(source).removesuffix(":0") for source in node.data_inputs]
    return node.op, [
        (source, "fed" if source in fed else verdicts.get(source, "not compared")) for source in inputs
    ]


def _type(value: Array) -> ValueType:
    return ValueType(dtypes.of_numpy(value.dtype).name, value.shape)
