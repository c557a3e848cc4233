"""The calls of other libraries, on top of obsv: code that uses them changes an import and nothing else."""
