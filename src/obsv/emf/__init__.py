"""CloudWatch embedded metric format: metric points as JSON lines that CloudWatch Logs turns into metrics."""
