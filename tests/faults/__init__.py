"""The real loop and its sockets' code under simulated faults, every one of them replayable from a seed."""
