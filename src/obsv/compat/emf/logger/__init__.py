"""The logger of metrics."""
