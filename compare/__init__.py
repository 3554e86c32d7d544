"""Hold the prediction against the measurement: the same workload for both, and rules fixed beforehand."""
