#!/bin/sh
# Regenerates the *_pb2.py files and fields.py. Needs an old protoc, so that every protobuf from 5.26 on can
# import what it writes: pip install 'grpcio-tools==1.63.*', in an environment of its own; PROTOC_PYTHON is
# that environment's python. PYTHON is one in which tfg is installed.
set -eu
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"${PROTOC_PYTHON:-python}" -m grpc_tools.protoc -Itfg/graphfmt/proto=. \
    --python_out="$out" --pyi_out="$out" \
    tfg/graphfmt/proto/debug_info.proto tfg/graphfmt/proto/tensor.proto tfg/graphfmt/proto/graph.proto \
    tfg/graphfmt/proto/meta_graph.proto tfg/graphfmt/proto/trackable.proto \
    tfg/graphfmt/proto/checkpoint.proto \
    tfg/graphfmt/proto/step_stats.proto tfg/graphfmt/proto/event.proto tfg/graphfmt/proto/machine.proto \
    tfg/graphfmt/proto/example.proto tfg/graphfmt/proto/reader_state.proto tfg/graphfmt/proto/transport.proto
for stub in "$out"/tfg/graphfmt/proto/*.pyi; do
    # The old generator's stubs are not strict.
    sed -i -e '1i # pyright: basic' -e 's/_Mapping\]/_Mapping[str, object]]/g' "$stub"
done
sed -i 's/^from tfg\.graphfmt\.proto import/from . import/' "$out"/tfg/graphfmt/proto/*
cp "$out"/tfg/graphfmt/proto/* .
"${PYTHON:-python}" -m tfg.graphfmt.proto.make_fields
