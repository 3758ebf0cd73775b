"""Training: the loop, the run and its folder, and the checkpoints that it resumes from."""
