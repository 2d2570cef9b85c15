"""Switch, Merge and loops; If, Case, While and function calls; Send and Recv."""
