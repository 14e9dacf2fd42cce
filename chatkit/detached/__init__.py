"""Answers that a process of their own writes: how a kernel hands them over."""
