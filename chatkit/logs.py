"""What chatkit logs, and where to: alone knows its loggers and their handlers.

Nothing is printed unless somebody asks for it: what concerns an answer is shown with it, and a
line of the engine's thread would appear in whichever cell runs then. So `CHATKIT_LOG=debug` writes
to a file, the same one for kernels, workers and scripts. No key is in any record, whatever
handlers there are.
"""

from __future__ import annotations

import logging
from pathlib import Path

from chatkit.errors import ConfigError
from chatkit.redaction import hide_all

LEVELS = ("debug", "info", "warning", "error")
LARGEST = 10 << 20  # bytes of the file, after which a new one is begun; the one before is kept
_OURS = ("chatkit", "chatkit.http", "chatkit.store")
_THEIRS = ("httpx", "httpx2")  # which log the whole address of each request
_LINE = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
_formatter = logging.Formatter(_LINE)


class _Redacting(logging.Filter):
    """Takes keys out of a record before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = hide_all(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = hide_all(_formatter.formatException(record.exc_info))
            record.exc_info = None  # some handlers would print what the frames hold
        return True


_redacting = _Redacting()
_file: logging.Handler | None = None


def begin() -> None:
    """Be quiet, and let no key be logged. A logger's filters do not hold for those below it."""
    logging.getLogger("chatkit").addHandler(logging.NullHandler())
    for name in (*_OURS, *_THEIRS):
        logging.getLogger(name).addFilter(_redacting)


def checked_level(level: str | None) -> str | None:
    """The name of a level, None for nothing. Raises ConfigError."""
    wanted = str(level or "off").strip().lower()
    if wanted != "off" and wanted not in LEVELS:
        raise ConfigError(f"log is {level!r}; it is one of {', '.join(LEVELS)}, or off")
    return None if wanted == "off" else wanted


def write(level: str | None) -> None:
    """Write what is of this level and above to the file from now on; None: nothing any more."""
    global _file
    logger = logging.getLogger("chatkit")
    if _file is not None:
        logger.removeHandler(_file)
        _file.close()
        _file = None
    logger.setLevel(logging.NOTSET if level is None else level.upper())
    if level is not None:
        _file = _opened(path())
        _file.setLevel(level.upper())
        logger.addHandler(_file)


def path() -> Path:
    """The file."""
    import platformdirs  # not needed where nothing is written

    return Path(platformdirs.user_log_dir("chatkit", appauthor=False)) / "chatkit.log"


def _opened(file: Path) -> logging.Handler:
    from logging.handlers import RotatingFileHandler

    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # for nobody else to read
        handler = RotatingFileHandler(file, maxBytes=LARGEST, backupCount=1, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the log cannot be written to {str(file)!r}: {error}") from error
    handler.setFormatter(_formatter)
    return handler
