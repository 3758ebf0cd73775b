"""Training: the loop, the run it works on, and what lets it resume."""
