"""Formatters for other readers."""
