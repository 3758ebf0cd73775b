"""Evaluation: measuring, tuning and comparing systems, and the records they leave."""
