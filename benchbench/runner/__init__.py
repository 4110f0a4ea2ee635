"""Plan, execute, isolate and resume."""
