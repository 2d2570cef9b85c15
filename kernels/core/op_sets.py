"""Operations that passes must know by name, because of what they are rather than of what they compute."""

from __future__ import annotations

# Both kinds of variables: those that give a reference, and the one that gives a handle.
REFERENCE_VARIABLES = frozenset({"Variable", "VariableV2"})
VARIABLES = REFERENCE_VARIABLES | {"VarHandleOp"}

# What must be fed, and what may be.
PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2"})
INPUTS = PLACEHOLDERS | {"PlaceholderWithDefault"}

# Where loops begin, go on and end, and where branches part and meet.
ENTERS = frozenset({"Enter", "RefEnter"})
NEXT_ITERATIONS = frozenset({"NextIteration", "RefNextIteration"})
EXITS = frozenset({"Exit", "RefExit"})
SWITCHES = frozenset({"Switch", "RefSwitch"})
MERGES = frozenset({"Merge", "RefMerge"})

# What writes variables to files, and must see them all as of one moment.
SAVERS = frozenset({"Save", "SaveV2", "SaveSlices"})

# Where a part of a graph leaves values for another one, and where it gets them.
SENDS = frozenset({"_Send", "_HostSend"})
RECVS = frozenset({"_Recv", "_HostRecv"})
