"""The edge of the processor: its command line, a run from beginning to end, and what is told of it afterwards."""
