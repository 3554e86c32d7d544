"""The sender: a process of its own that plays a workload's messages over TCP."""
