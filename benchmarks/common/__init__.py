"""What benchmarks share: a control plane of their own, what its processes cost, the machine, tables and JSON."""
