"""DecodeCSV: fields, quotes, defaults, selected columns, numbers, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tfg.kernels.families.io.csv_ops import _Layout  # pyright: ignore[reportPrivateUsage]

from ...harness import case, f32, f64, i32, i64, table_tests
from .test_example_ops import text

F, W, L, D, S = f32([]), i32([]), i64([]), f64([]), text()
INVALID = "INVALID_ARGUMENT"


def csv(records: Any, *defaults: Any, **attrs: Any) -> Any:
    return case("DecodeCSV", records, list(defaults), **attrs)


def one(record: bytes, *defaults: Any, **attrs: Any) -> Any:
    return csv(text(record), *defaults, **attrs)


CASES = [
    csv(text(b"1,2,abc", b'3,,"d ""e"""'), F, i32([7]), S),
    csv(np.array(b"1,2", object), F, W),
    csv(np.array([[b"1,2"], [b"3,4"]], object), F, W),
    csv(text(), F, W, S),
    one(b",,,,", f32(3), i32(4), i64(5), f64(6), text(b"7")),
    one(b" 1 , 2 ,x ", F, W, S),
    csv(text(b"inf,+5,x", b"-inf,-5,y", b"nan,-0,z"), F, W, S),
    one(b".5,5.,1e3,0x1p3", F, D, F, D),
    one(b"1e400,1e-400,1e40,1e-50", D, D, F, F),
    one(b"9223372036854775807,-9223372036854775808", L, L),
    one(b"0.1,0.1", F, D),
    one(b'1,"a\nb,c",x', F, S, S),
    one(b'\n1,\r\n2,""', F, F, text(b"default")),
    one(b'1,a"b', F, S, use_quote_delim=False),
    one(b'1,"a,b"', F, S, S, use_quote_delim=False),
    one(b'1;"a;b"', F, S, field_delim=";"),
    one(b"1\t2", F, W, field_delim="\t"),
    one(b"NA,NA,NA", f32([5]), i32([7]), text(b"q"), na_value="NA"),
    one(b"1,2,3,4", F, W, select_cols=[1, 3]),
    one(b'1,2,3,"', F, W, select_cols=[0, 1]),
    one(b"1,,", F, text(b"d"), select_cols=[0, 2]),
    one(b'"1","2"', F, W),
    one(b"1,", F, text(b"dd")),
    one(b"1,2", F, i32([7]), S, error=f"{INVALID}: Expect 3 fields but have 2 in record 0"),
    one(b"1,2,3,4", F, i32([7]), S, error=f"{INVALID}: Expect 3 fields but have 4 in record 0"),
    one(b"1,2", F, i32([7]), select_cols=[1, 3], error=f"{INVALID}: Expect 2 fields but have 1 in record 0"),
    one(b"", f32([3]), error=f"{INVALID}: Expect 1 fields but have 0 in record 0"),
    one(b"1,,3", F, W, S, error=f"{INVALID}: Field 1 is required but missing in record 0!"),
    one(b'1,""', F, S, error=f"{INVALID}: Field 1 is required but missing in record 0!"),
    one(b'NA,"NA"', f32([5]), S, na_value="NA", error=f"{INVALID}: Field 1 is required but missing"),
    csv(text(b"1,2", b"3,x", b"y,4"), F, W, error=f"{INVALID}: Field 1 in record 1 is not a valid int32: x"),
    one(b"0x10", W, error=f"{INVALID}: not a valid int32: 0x10"),
    one(b"3000000000", W, error=f"{INVALID}: not a valid int32: 3000000000"),
    one(b"9223372036854775808", L, error=f"{INVALID}: not a valid int64"),
    one(b"1.5", W, error=f"{INVALID}: not a valid int32: 1.5"),
    one(b"1_0", W, error=f"{INVALID}: not a valid int32: 1_0"),
    one(b"1_0", F, error=f"{INVALID}: not a valid float: 1_0"),
    one(b"1d", F, error=f"{INVALID}: not a valid float: 1d"),
    one(b"1e", F, error=f"{INVALID}: not a valid float: 1e"),
    one(b"+ 1", W, error=f"{INVALID}: not a valid int32: + 1"),
    one(b'1,a"b,x', F, S, S, error=f"{INVALID}: Unquoted fields cannot have quotes/CRLFs inside"),
    one(b"1,a\r\n", F, S, error=f"{INVALID}: Unquoted fields cannot have quotes/CRLFs inside"),
    one(b"1,a\nb", F, S, use_quote_delim=False, error=f"{INVALID}: Unquoted fields cannot have"),
    one(b'1, "a"', F, S, error=f"{INVALID}: Unquoted fields cannot have quotes/CRLFs inside"),
    one(b'1,"ab"c,x', F, S, S, error=f"{INVALID}: Quote inside a string has to be escaped"),
    one(b'1,a,"b"\n', F, S, S, error=f"{INVALID}: Quote inside a string has to be escaped"),
    one(b'1,"ab,x', F, S, S, error=f"{INVALID}: Quoted field has to end with quote"),
    one(b'1,"', F, S, error=f"{INVALID}: Quoted field has to end with quote"),
    one(b"1;;2", F, S, field_delim=";;", error=f"{INVALID}: field_delim should be only 1 char"),
    one(b"1,2", F, W, field_delim="", error=f"{INVALID}: field_delim should be only 1 char"),
    one(b"1,2", F, W, select_cols=[3, 1], error=f"{INVALID}: strictly increasing"),
    one(b"1,2", F, W, select_cols=[1, 1], error=f"{INVALID}: strictly increasing"),
    one(b"1,2", F, W, select_cols=[-1, 1], error=f"{INVALID}: non-negative"),
    one(b"1,2", F, W, select_cols=[1], error=f"{INVALID}: select_cols should match output size"),
    one(b"1,2", f32([1, 2]), W, error=f"{INVALID}: default"),
    one(b"1,2", f32([[1]]), W, error=f"{INVALID}: at most rank 1"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


@given(st.lists(st.text(st.sampled_from('a", ;\n\r')), min_size=1, max_size=4))
def test_quoted_fields_come_back(fields: list[str]) -> None:
    record = ",".join('"' + field.replace('"', '""') + '"' for field in fields).encode()
    assert _Layout(b",", True, ()).fields(record) == [field.encode() for field in fields]
