"""Figures as Markdown tables, and the place in a README that holds them."""

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_tf import files
from fer_tf.errors import OutsideError
from fer_tf.errors import UserError

BEGIN = "<!-- fer-tf results: begin -->"
END = "<!-- fer-tf results: end -->"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of as many cells each as a table; the first row is its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    dashes = ["-" * width for width in widths]
    lines = []
    for row in (rows[0], dashes, *rows[1:]):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def estimate(run: Mapping[str, Any], figure: str) -> str:
    """Return one figure of a run: `± spread` over seeds, its interval in brackets.

    Args:
        run: the figure by its name, and where they are known `spread` and `intervals`,
            each by figure.
    """
    text = f"{run[figure]:.3f}"
    if "spread" in run:
        text += f" ± {run['spread'][figure]:.3f}"
    interval = run.get("intervals", {}).get(figure)
    return f"{text} ({interval[0]:.3f} to {interval[1]:.3f})" if interval else text


def change(value: float, low: float, high: float) -> str:
    """Return a difference and its interval, bold where that excludes zero."""
    text = f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
    return f"**{text}**" if low * high > 0 else text


def of_comparison(content: Mapping[str, Any]) -> str:
    """Return what `comparison.compare` returned as a table, with its legend."""
    figures = list(next(iter(content["differences"].values())))
    rows = [
        ["", *figures, "McNemar p"],
        *(
            [_title(name, run), *(estimate(run, figure) for figure in figures), ""]
            for name, run in content["runs"].items()
        ),
        *(_difference_row(name, content) for name in content["differences"]),
    ]
    return f"{table(rows)}\n\n{_legend(content)}"


def _title(name: str, run: Mapping[str, Any]) -> str:
    return f"{name}, {len(run['by_seed'])} seeds" if "by_seed" in run else name


def _difference_row(name: str, content: Mapping[str, Any]) -> list[str]:
    test = content["mcnemar"].get(name)
    return [
        f"{name} minus {content['baseline']}",
        *(change(*values) for values in content["differences"][name].values()),
        f"{test['p']:.2g}" if test else "",
    ]


def _legend(content: Mapping[str, Any]) -> str:
    with_seeds = any("spread" in run for run in content["runs"].values())
    spread = "; ± the standard deviation over seeds" if with_seeds else ""
    return (
        f"n = {content['n']:,} pictures in {content['groups']:,} groups. In brackets "
        f"95 % bootstrap intervals over groups, paired for differences{spread}. "
        "**Bold**: the interval excludes zero."
    )


def put_between_markers(path: Path, text: str) -> None:
    """Replace what stands between `BEGIN` and `END` in a file by `text`, atomically.

    Raises:
        UserError: it is no text file that has both markers once, in this order.
        OutsideError: it cannot be read.
    """
    try:
        whole = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no text file: {error}") from None
    except OSError as error:
        raise OutsideError(f"{path} cannot be read: {error.strerror}.") from None
    before, _, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end or whole.count(BEGIN) != 1 or whole.count(END) != 1:
        raise UserError(
            f"{path} must hold each of two markers once, in this order. Add these "
            f"lines where the tables should stand:\n{BEGIN}\n{END}"
        )
    files.write_text(path, f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}")
