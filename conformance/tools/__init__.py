"""Popular tools on top of OpenTelemetry, each set up beside obsv: ``make conformance-tools``."""
