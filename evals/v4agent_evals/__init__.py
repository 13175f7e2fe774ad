"""Measures v4agent: suites of tasks, seeded faults, and the commands that run them."""
