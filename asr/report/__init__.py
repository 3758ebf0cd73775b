"""What a run looks like: the HTML report, and pictures of it as PNG. Both need the extra `plots`."""

from asr.report.page import write
from asr.report.plots import curves, reliability

__all__ = ["curves", "reliability", "write"]
