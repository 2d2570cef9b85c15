"""Sets of operation names by their role, for passes that look at nodes and must not import the families for it.

They are read from the generated index, so the declarations alone decide what is in them.
"""

from __future__ import annotations

from .index import OPS_OF_ROLE


def _with_role(*roles: str) -> frozenset[str]:
    # A role without operations yet must not keep the index from being written anew.
    return frozenset(name for role in roles for name in OPS_OF_ROLE.get(role, ()))


# The variables whose output is a reference, and those whose output is a resource handle too.
REFERENCE_VARIABLES = _with_role("REFERENCE_VARIABLE")
VARIABLES = _with_role("REFERENCE_VARIABLE", "RESOURCE_VARIABLE")
ASSIGNMENTS = _with_role("ASSIGNMENT")
VARIABLE_READS = _with_role("VARIABLE_READ")
INITIALIZATION_QUERIES = _with_role("INITIALIZATION_QUERY")

CONSTANTS = _with_role("CONSTANT")
# Operations whose output is their input, a tensor or a reference.
IDENTITIES = _with_role("IDENTITY")

# The nodes that must be fed, and those that may be.
PLACEHOLDERS = _with_role("PLACEHOLDER")
INPUTS = _with_role("PLACEHOLDER", "PLACEHOLDER_WITH_DEFAULT")

# Dataflow control flow: the entries, back edges and exits of loops; the ends of branches.
ENTERS = _with_role("ENTER")
NEXT_ITERATIONS = _with_role("NEXT_ITERATION")
EXITS = _with_role("EXIT")
LOOP_NODES = ENTERS | NEXT_ITERATIONS | EXITS
SWITCHES = _with_role("SWITCH")
MERGES = _with_role("MERGE")

# The operations that write variables to files, and all that read or write checkpoints.
SAVERS = _with_role("SAVER")
RESTORERS = _with_role("RESTORER")
CHECKPOINT_OPS = _with_role("SAVER", "RESTORER", "CHECKPOINT_MERGER")

# The two ends of an edge between the parts of a partitioned graph.
SENDS = _with_role("SEND")
RECVS = _with_role("RECV")
