"""The stages of a run, one after the other: what each reads from the run directory, calls, and writes."""
