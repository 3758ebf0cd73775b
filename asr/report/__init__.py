"""Reports: an evaluated run as one HTML page, and charts as PNG. Both need the extra `plots`."""

from asr.report.page import draw_utterance, write
from asr.report.plots import curves, reliability

__all__ = ["curves", "draw_utterance", "reliability", "write"]
