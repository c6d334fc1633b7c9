"""Measurements that print a table: `python -m benchmarks.<name> --help`, or `make bench` for all of them.

Each module says at its top what it measures: the client, the load, the machine, and what is counted. Each starts a
backbeat of its own in a temporary folder and ends it. Nothing is asserted about times: `tests/e2e/test_benchmarks.py`
only holds that a small run completes.
"""
