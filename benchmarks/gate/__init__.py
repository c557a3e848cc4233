"""The gate: what a change must not make slower, told by counts that noise cannot move. See ``docs/benchmarks.md``."""
