"""Reliability diagram, confusion matrix, risk-coverage curve, grid of pictures.

For the report and TensorBoard alike. Matplotlib is imported when a figure is drawn,
and its `pyplot` never: nothing global changes and no window can open.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fer_tf import metrics
from fer_tf import page
from fer_tf.labels import CLASSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#2b2f36"
PALE = "#d9dee5"
BLUE = "#3b76b8"
ORANGE = "#d9822b"
MOST_POINTS = 400
CELL_IN = 1.4
LINE_IN = 0.16
TITLE_IN = 0.45


def reliability_diagram(
    labels: np.ndarray, probs: np.ndarray, bins: int = 15
) -> "Figure":
    """Draw accuracy against confidence, and how many predictions each bin holds.

    arXiv:1706.04599, figure 1. A bar below the diagonal is overconfident.
    """
    table = metrics.reliability(labels, probs, bins)
    figure, (top, bottom) = _axes(4.4, 4.6, rows=[3, 1])
    filled = table.counts > 0
    left, width = table.edges[:-1][filled], 1 / bins
    top.bar(left, table.accuracy[filled], width, align="edge", color=BLUE, ec="white")
    top.plot([0, 1], [0, 1], color=INK, lw=1, ls=(0, (4, 3)))
    top.scatter(
        table.confidence[filled], table.accuracy[filled], s=14, color=ORANGE, zorder=3
    )
    top.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    top.set_title(f"ECE {table.ece:.3f}, n = {len(labels):,}", fontsize=10)
    top.tick_params(labelbottom=False)
    bottom.bar(left, table.counts[filled], width, align="edge", color=PALE, ec="white")
    bottom.set(xlabel="confidence", ylabel="count", xlim=(0, 1))
    return figure


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray) -> "Figure":
    """Draw what each class is taken for: a row per label, in per cent of that row."""
    counts = metrics.confusion(labels, predictions)
    total = counts.sum(axis=1, keepdims=True)
    share = counts / np.maximum(total, 1)
    figure, (axes,) = _axes(4.6, 4.2)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share):
        if total[row]:
            colour = "white" if value > 0.55 else INK
            text = f"{100 * value:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour)
    names = [f"{name} ({n:,})" for name, n in zip(CLASSES, total.ravel(), strict=True)]
    axes.set_xticks(range(len(CLASSES)), CLASSES, rotation=40, ha="right")
    axes.set_yticks(range(len(CLASSES)), names)
    axes.set(xlabel="predicted", ylabel="label (n)")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def risk_coverage_curve(
    labels: np.ndarray, probs: np.ndarray, threshold: float | None = None
) -> "Figure":
    """Draw the error rate among the most confident part of all answers.

    A dot stands where answers below the confidence `threshold` are left out, unless
    all of them are.
    """
    coverage, risk = metrics.risk_coverage(labels, probs)
    area = risk.mean()
    answered = 0 if threshold is None else (probs.max(axis=1) >= threshold).sum()
    dot = [100 * coverage[answered - 1], 100 * risk[answered - 1]] if answered else []
    shown = np.unique(np.linspace(0, len(risk) - 1, MOST_POINTS).astype(int))
    coverage, risk = coverage[shown], risk[shown]
    figure, (axes,) = _axes(4.4, 3.4)
    axes.plot(100 * coverage, 100 * risk, color=BLUE, lw=1.8)
    axes.fill_between(100 * coverage, 100 * risk, color=BLUE, alpha=0.12, lw=0)
    if dot:
        axes.scatter(*dot, s=36, color=ORANGE, zorder=3)
    axes.set(xlabel="answered, %", ylabel="wrong among them, %", xlim=(0, 100))
    axes.set_ylim(0, max(5, 105 * risk.max()))
    axes.set_title(f"AURC {area:.3f}, n = {len(labels):,}", fontsize=10)
    axes.grid(color=PALE, lw=0.6)
    axes.set_axisbelow(True)
    return figure


def picture_grid(
    pictures: Sequence[np.ndarray],
    captions: Sequence[str],
    title: str,
    columns: int = 8,
) -> "Figure":
    """Draw RGB pictures, row by row, each with its caption under it."""
    columns = min(columns, max(3, len(pictures)))
    rows = max(1, -(-len(pictures) // columns))
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    # In units of a cell's width.
    height = 1 + (lines * LINE_IN + 0.12) / CELL_IN
    figure, (axes,) = _axes(columns * CELL_IN, rows * height * CELL_IN + TITLE_IN)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(place, columns)
        left, bottom = column + 0.04, row * height + 0.96
        extent = (left, column + 0.96, bottom, row * height + 0.04)
        axes.imshow(picture, extent=extent, interpolation="nearest")
        axes.text(left, bottom + 0.04, caption, va="top", fontsize=7.5, color=INK)
    axes.set(xlim=(0, columns), ylim=(rows * height, 0))
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_axis_off()
    return figure


def to_png(figure: "Figure", dpi: int = 120) -> bytes:
    """Return a figure as PNG."""
    return _encoded(figure, "png", dpi=dpi, metadata={"Software": None})


def to_svg(figure: "Figure") -> bytes:
    """Return a figure as SVG, the same bytes every time."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "fer-tf"}):
        return _encoded(figure, "svg", metadata={"Date": None})


def data_uri(figure: "Figure") -> str:
    """Return a figure as a `data:` URI of its SVG, for a page without other files."""
    return page.data_uri(to_svg(figure), "image/svg+xml")


def _encoded(figure: "Figure", kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def _axes(
    width_in: float, height_in: float, rows: tuple[int, ...] = (1,)
) -> tuple["Figure", list["Axes"]]:
    """Return a figure with one column of axes whose heights are as `rows`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    grid = figure.subplots(
        len(rows), 1, squeeze=False, gridspec_kw={"height_ratios": rows}
    )
    for axes in grid[:, 0]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[:].set_color(INK)
        axes.tick_params(colors=INK, labelsize=9)
    return figure, list(grid[:, 0])
