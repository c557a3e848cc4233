"""What the interpreter and the process use, as metrics. Loaded only where it is measured."""
