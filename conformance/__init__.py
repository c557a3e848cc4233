"""OpenTelemetry's own tests, run against obsv."""
