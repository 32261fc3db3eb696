"""Storage engines, the barrier above them, and the transactions above that."""
