"""One answer: how it is asked for, read to its end, kept, and followed by whoever looks at it."""
