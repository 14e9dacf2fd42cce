"""Ask language models from a notebook; an answer is never lost and never asked for twice."""
