"""Writes ``docs/operations.md``: ``make operations``, or ``python -m tests.docs.operations``.

TensorFlow's list is ``tests/data/op-signatures.txt``; the rest comes from the declarations of the operations.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from tfg.graphfmt import dtypes
from tfg.kernels.core import registry
from tfg.kernels.core.index import FAMILY_OF

from ..cli.command import run_tfg
from .markdown import DOCS, ROOT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from tfg.kernels.core.registry import Op

PAGE = DOCS / "operations.md"
LIST = ROOT / "tests" / "data" / "op-signatures.txt"

_HEAD = """\
# Operations

Written by `make operations`; do not edit. Of the {total} operations in TensorFlow's list
(`tests/data/op-signatures.txt`), {here} are here and {absent} are not. `tfg ops NAME` prints the inputs, attributes and
outputs of one.

- **dtypes**: for each type attribute, those that the kernels support. The table below names sets of them.
- **gradient**: *yes*; *zero*, no gradient flows back, as through a comparison; *no*, asking for it is an error.
- **devices**: those that have a kernel. Operations without a GPU kernel run on the CPU.

| set | dtypes |
|---|---|
"""

# Names for sets of dtypes, the larger before the smaller.
_FLOAT = ("bfloat16", "half", "float", "double")
_INT = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_COMPLEX = ("complex64", "complex128")
_QUANTIZED = ("qint8", "quint8", "qint16", "quint16", "qint32")
_SETS: Mapping[str, tuple[str, ...]] = {
    "number": _FLOAT + _INT + _COMPLEX,
    "real": _FLOAT + _INT,
    "float": _FLOAT,
    "int": _INT,
    "complex": _COMPLEX,
    "quantized": _QUANTIZED,
}

# The domains of operations that are not here, by their names; the first that fits counts.
_DOMAINS = (
    ("quantized", r"Quantize|Requanti"),
    ("ragged", r"Ragged"),
    ("data", r"Dataset|Iterator|SeedGenerator|MapDefun|ComputeBatchSize"),
    ("lookup", r"Table|VocabRemapping|LoadAndRemap"),
    ("sparse", r"Sparse|SparseTensorsMap"),
    ("data_flow", r"Queue|Barrier|Accumulator|[Ss]tage|Map|Session|Mutex|RecordInput|ElementAtIndex"),
    ("audio", r"Wav|Audio|Mfcc"),
    ("image", r"Jpeg|Png|Gif|Bmp|WebP|Image|BoundingBox|Glimpse|ScaleAndTranslate|NonMax|AdjustContrast"),
    ("io", r"Reader|File|Parse|SerializeTensor|Decode(CSV|JSON|Compressed)|ImmutableConst"),
    ("strings", r"Unicode|String|SegmentJoin|EditDistance|Fingerprint"),
    ("linalg", r"Batch(Chol|Matrix|Self|Svd)|Tridiagonal|MatrixExponential|SelfAdjointEig"),
    ("nn", r"LSTM|GRU|CTC|Fractional|ApproxTopK"),
    ("debug", r"Summary"),
    ("control_flow", r"^(Send|Recv)$"),
    ("math", r""),
)

# The reasons for which operations are not here.
REASONS = {
    "ComputeBatchSize": "TensorFlow's distribution strategies alone ask for it, of a serialized dataset",
    "DatasetFingerprint": "a hash of TensorFlow's own serialization of a dataset",
}


class Row(NamedTuple):
    """An operation of TensorFlow's list: its flags there, and what this build says of it, if it has it."""

    name: str
    flags: Collection[str]
    fields: Mapping[str, Any] | None
    op: Op | None

    @property
    def domain(self) -> str:
        if self.op is not None:
            return self.op.family.partition(".")[0]
        return next(domain for domain, pattern in _DOMAINS if re.search(pattern, self.name))


def rows() -> list[Row]:
    """The operations of TensorFlow's list, and those that only this build has."""
    # Less those that other tests of this process declare.
    declared = {op.name: op for op in registry.all_ops() if op.name in FAMILY_OF}
    fields = {op["name"]: op for op in run_tfg("ops", "--json").json["ops"]}
    listed = dict(_listed())
    names = sorted(listed.keys() | declared.keys(), key=str.lower)
    return [Row(n, listed.get(n, ("tfg only",)), fields.get(n), declared.get(n)) for n in names]


def _listed() -> Iterator[tuple[str, Sequence[str]]]:
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            signature, _, flags = line.partition("  # ")
            yield signature.partition("(")[0], flags.split(", ")


def page() -> str:
    """The text of ``docs/operations.md``."""
    found = rows()
    listed = [row for row in found if "tfg only" not in row.flags]
    here = [row for row in listed if row.fields is not None]
    domains: dict[str, list[Row]] = defaultdict(list)
    for row in found:
        domains[row.domain].append(row)
    text = _HEAD.format(total=len(listed), here=len(here), absent=len(listed) - len(here))
    text += "".join(f"| *{name}* | {', '.join(types)} |\n" for name, types in _SETS.items())
    text += "\n| domain | here | on a GPU | with a gradient | not here |\n|---|---|---|---|---|\n"
    text += "".join(_count(domain, domains[domain]) for domain in sorted(domains))
    return text + "".join(_section(domain, domains[domain]) for domain in sorted(domains))


def _count(domain: str, rows: Sequence[Row]) -> str:
    here = [row.fields for row in rows if row.fields is not None]
    gpu = sum("GPU" in fields["devices"] for fields in here)
    gradients = sum(fields["gradient"] == "yes" for fields in here)
    return f"| [{domain}](#{domain}) | {len(here)} | {gpu} | {gradients} | {len(rows) - len(here)} |\n"


def _section(domain: str, rows: Sequence[Row]) -> str:
    families: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        families[row.op.family if row.op is not None else ""].append(row)
    absent = families.pop("", [])
    text = f"\n## {domain}\n"
    for family in sorted(families):
        text += f"\n`kernels/families/{family.replace('.', '/')}.py`\n\n"
        text += "| operation | dtypes | gradient | devices |\n|---|---|---|---|\n"
        text += "".join(map(_line, families[family]))
    if absent:
        text += f"\nNot here: {', '.join(f'`{row.name}`{_reason(row.name)}' for row in absent)}.\n"
    return text


def _reason(name: str) -> str:
    reason = REASONS.get(name)
    return f" ({reason})" if reason else ""


def _line(row: Row) -> str:
    assert row.op is not None and row.fields is not None
    gradient = row.fields["gradient"]
    if gradient != "yes" and "gradient" in row.flags:
        gradient += " (TensorFlow has one)"
    devices = ", ".join(row.fields["devices"]) or "none"
    return f"| `{row.name}` | {_dtypes(row.op)} | {gradient} | {devices} |\n"


def _dtypes(op: Op) -> str:
    """The dtypes of each type attribute, as ``T: real``; of the tensors themselves where there is none."""
    signature = op.signature
    attrs = [attr for attr in signature.attrs if attr.kind in ("type", "list(type)")]
    if not attrs:
        fixed = [arg.dtype.name for arg in (*signature.inputs, *signature.outputs) if arg.dtype is not None]
        return ", ".join(dict.fromkeys(fixed))
    shown: list[str] = []
    for attr in attrs:
        allowed = [value.name for value in attr.allowed if isinstance(value, dtypes.DType)]
        known = op.kernel_types.get(attr.name, allowed)
        shown.append(f"{attr.name}: {_short(known)}")
    return "; ".join(shown)


def _short(names: Iterable[str]) -> str:
    """A set of dtypes, with the names of the sets that are wholly in it; ``any`` where nothing is ruled out."""
    left = set(names)
    if not left:
        return "any"
    shown: list[str] = []
    for name, types in _SETS.items():
        if left.issuperset(types):
            shown.append(f"*{name}*")
            left -= set(types)
    order = [dtype.name for dtype in dtypes.DTYPES]
    return " ".join(shown + sorted(left, key=order.index))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
