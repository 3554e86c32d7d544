"""Processes that measure, and what the machine does to them meanwhile."""
