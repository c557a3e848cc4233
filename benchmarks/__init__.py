"""Benchmarks: obsv beside its peers, in fresh processes, interleaved in one run. Start with ``make bench``."""
