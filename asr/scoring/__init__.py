"""Scoring: alignment of transcripts, conventions, intervals, calibration; no torch."""
