"""Telemetry as text for people: the waterfall of a trace, tables, log lines.

Pure functions from the plain objects of `obsv.store.rows` to lines of text; who calls them does the writing. What
strangers sent is escaped, so that no name or message steers the terminal. Import the module you need.
"""
