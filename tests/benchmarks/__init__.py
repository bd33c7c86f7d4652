"""Tests of the benchmarks: of what they measure with, and of their arithmetic."""
