import base64
import sys
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from fer_tf import figures
from fer_tf import metrics


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 2, 3, 4, 5, 6], 90)
    return labels, metrics.softmax(rng.normal(size=(90, 7)) + np.eye(7)[labels])


def drawn(answers):
    labels, probs = answers
    return {
        "reliability": figures.reliability_diagram(labels, probs),
        "confusion": figures.confusion_matrix(labels, probs.argmax(axis=1)),
        "risk_coverage": figures.risk_coverage_curve(labels, probs),
    }


def test_every_figure_is_a_png_of_its_size_that_shows_its_data(answers):
    """Other data with the same axes and titles gives other pixels."""
    labels, probs = answers
    others = drawn((labels, np.roll(probs, 1, axis=1)))
    for name, figure in drawn(answers).items():
        one, other = (
            cv2.imdecode(
                np.frombuffer(figures.to_png(each, dpi=50), np.uint8), cv2.IMREAD_COLOR
            )
            for each in (figure, others[name])
        )
        width, height = figure.get_size_inches() * 50
        assert one.shape == (round(height), round(width), 3)
        assert (one != other).any(axis=2).mean() > 0.01


def test_the_reliability_bars_fill_their_share_of_the_image(answers):
    figure = figures.reliability_diagram(*answers, bins=5)
    png = np.frombuffer(figures.to_png(figure, dpi=100), np.uint8)
    image = cv2.imdecode(png, cv2.IMREAD_COLOR).astype(int)
    blue = [int(figures.BLUE[place : place + 2], 16) for place in (5, 3, 1)]
    found = (np.abs(image - blue) < 24).all(axis=2).mean()
    plot = figure.axes[0].get_position()
    heights = metrics.reliability(*answers, bins=5).accuracy
    expected = plot.width * plot.height * np.nansum(heights) / 5
    assert found == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_a_grid_shows_every_picture_over_its_caption(count):
    pictures = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)
    captions = [f"picture {number}" for number in range(count)]
    (axes,) = figures.picture_grid(pictures, captions, "some").axes
    assert axes.get_title("left") == "some"
    assert [text.get_text() for text in axes.texts] == captions
    for image, picture, text in zip(axes.images, pictures, axes.texts, strict=True):
        np.testing.assert_array_equal(image.get_array(), picture)
        left, _, bottom, _ = image.get_extent()
        assert text.get_position() == pytest.approx((left, bottom), abs=0.05)
    places = {tuple(image.get_extent()) for image in axes.images}
    assert len(places) == count


def test_every_figure_is_the_same_svg_each_time(answers):
    for once, again in zip(
        drawn(answers).values(), drawn(answers).values(), strict=True
    ):
        head, _, body = figures.data_uri(once).partition(",")
        assert head == "data:image/svg+xml;base64"
        svg = base64.b64decode(body)
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert svg == figures.to_svg(again)


def test_the_reliability_bars_are_the_table(answers):
    table = metrics.reliability(*answers, bins=5)
    top, bottom = figures.reliability_diagram(*answers, bins=5).axes
    filled = table.counts > 0
    heights = [bar.get_height() for bar in top.patches]
    np.testing.assert_allclose(heights, table.accuracy[filled])
    np.testing.assert_allclose(
        [bar.get_height() for bar in bottom.patches], table.counts[filled]
    )


def test_the_confusion_matrix_leaves_a_missing_class_blank(answers):
    labels, probs = answers
    axes = figures.confusion_matrix(labels, probs.argmax(axis=1)).axes[0]
    rows = {int(text.get_position()[1]) for text in axes.texts}
    assert rows == {0, 2, 3, 4, 5, 6}
    share = axes.images[0].get_array()
    np.testing.assert_allclose(share.sum(axis=1), [1, 0, 1, 1, 1, 1, 1])


def test_the_risk_coverage_curve_ends_at_the_error_rate(answers):
    labels, probs = answers
    x, y = figures.risk_coverage_curve(labels, probs).axes[0].lines[0].get_data()
    error = 1 - metrics.accuracy(labels, probs.argmax(axis=1))
    assert (x[-1], y[-1]) == pytest.approx((100, 100 * error))


def test_a_dot_stands_where_a_threshold_cuts(answers):
    labels, probs = answers
    sure = probs.max(axis=1) >= 0.5
    axes = figures.risk_coverage_curve(labels, probs, 0.5).axes[0]
    (dot,) = axes.collections[-1].get_offsets()
    wrong = (probs.argmax(axis=1) != labels)[sure].mean()
    assert tuple(dot) == pytest.approx((100 * sure.mean(), 100 * wrong))
    without = figures.risk_coverage_curve(labels, probs, 1.0).axes[0]
    assert len(without.collections) == len(axes.collections) - 1


def test_a_long_curve_is_thinned():
    labels = np.arange(5000) % 7
    probs = metrics.softmax(np.random.default_rng(0).normal(size=(5000, 7)))
    x, _ = figures.risk_coverage_curve(labels, probs).axes[0].lines[0].get_data()
    assert len(x) == figures.MOST_POINTS


def test_nothing_global_is_touched(answers, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert figures.to_png(figures.reliability_diagram(*answers))
