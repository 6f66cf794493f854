"""Measurements that take minutes: `make bench`, or `python -m tests.bench NAME`. The figures are kept in
docs/benchmarks.md."""
