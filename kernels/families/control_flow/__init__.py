"""Control flow: Switch, Merge and loop frames; If, Case, While, For and function calls; Send and Recv."""
