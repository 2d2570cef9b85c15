#!/bin/sh
# Regenerates the *_pb2.py files and fields.py. Needs an old protoc, so that every protobuf from 5.26 on can
# import what it writes: pip install 'grpcio-tools==1.63.*', in an environment of its own; PROTOC_PYTHON is
# that environment's python. PYTHON is one in which tfg is installed.
set -eu
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"${PROTOC_PYTHON:-python}" -m grpc_tools.protoc -Itfg/graphfmt/schema=. \
    --python_out="$out" --pyi_out="$out" \
    tfg/graphfmt/schema/debug_info.proto tfg/graphfmt/schema/tensor.proto tfg/graphfmt/schema/graph.proto \
    tfg/graphfmt/schema/meta_graph.proto tfg/graphfmt/schema/trackable.proto \
    tfg/graphfmt/schema/checkpoint.proto \
    tfg/graphfmt/schema/step_stats.proto tfg/graphfmt/schema/event.proto tfg/graphfmt/schema/machine.proto
for stub in "$out"/tfg/graphfmt/schema/*.pyi; do
    # The old generator's stubs are not strict.
    sed -i -e '1i # pyright: basic' -e 's/_Mapping\]/_Mapping[str, object]]/g' "$stub"
done
sed -i 's/^from tfg\.graphfmt\.schema import/from . import/' "$out"/tfg/graphfmt/schema/*
cp "$out"/tfg/graphfmt/schema/* .
"${PYTHON:-python}" -m tfg.graphfmt.schema.make_fields
