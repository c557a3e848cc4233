"""The local store: one SQLite file that holds the spans, metric points and logs of every process on this machine.

`schema` says what is in the file, `writer` and `prune` write it (the `local` sink), `reader` and `rows` read it
(`obsv show`, the demo). Import the module you need; this package loads none of them.
"""
