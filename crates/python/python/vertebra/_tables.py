"""Tables as data frames where pandas is installed, else as lists of dicts; and pieces of HTML for notebooks."""

from __future__ import annotations

import html
import warnings
from typing import Any, Dict, Iterable, List, Optional, Sequence

NOTICE = "Research use only, not a medical device."


def frame(rows: Sequence[Dict[str, Any]]) -> Any:
    """A pandas data frame, or the list itself where pandas is not installed."""
    try:
        import pandas
    except ImportError:
        return list(rows)
    return pandas.DataFrame(list(rows))


def pandas_frame(rows: Sequence[Dict[str, Any]]) -> Any:
    """A pandas data frame; an error that says so where pandas is not installed."""
    import pandas

    return pandas.DataFrame(list(rows))


def warn(notes: Iterable[str], level: int = 3) -> List[str]:
    """Warns of what begins as a warning, at the caller of a function of the package; all notes."""
    notes = list(notes)
    for note in notes:
        if note.startswith("warning: "):
            warnings.warn(note[len("warning: ") :], stacklevel=level)
    return notes


def table(rows: Sequence[Dict[str, Any]], most: int = 20) -> str:
    """Rows as an HTML table, the first `most` of them."""
    if not rows:
        return ""
    columns = list(rows[0])
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(row.get(name)))}</td>" for name in columns) + "</tr>"
        for row in rows[:most]
    )
    more = f"<p>and {len(rows) - most} more</p>" if len(rows) > most else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def figure(value: float, interval: Optional[Sequence[float]], form: str = ".3f") -> str:
    """`0.961 [0.912, 0.987]`, the interval where there is one."""
    bounds = f" [{interval[0]:{form}}, {interval[1]:{form}}]" if interval else ""
    return f"{value:{form}}{bounds}"


def page(document: str, height: int = 600) -> str:
    """A whole page in a frame of its own, so that its style stays its own."""
    source = html.escape(document, quote=True)
    return f'<iframe srcdoc="{source}" style="width: 100%; height: {height}px; border: 0"></iframe>'
