"""Benchmarks of skrnn's own history, for asv."""
