"""A comparison as HTML that needs no kernel: the table in a saved notebook, and a report.

Pure functions of runs, without script, and nothing is loaded; what a model, a case or a provider
says is escaped or rendered.
"""

from __future__ import annotations

from chatkit.compare.page.report import report_html
from chatkit.compare.page.table import table_html

__all__ = ["report_html", "table_html"]
