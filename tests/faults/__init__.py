"""Faults made for real: kill -9, full and read-only disks."""
