"""CloudWatch Application Signals: latency, errors and faults of requests, also of those that are not sampled.

Loaded where the setting ``application_signals`` is on, in the sink's thread.
"""
