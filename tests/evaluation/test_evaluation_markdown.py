import re

import numpy as np
import pytest

from fer_tf.errors import UserError
from fer_tf.evaluation import comparison
from fer_tf.evaluation import markdown


def test_the_table_is_markdown(answer):
    first, other = (answer(name, skill=2.5).split("test") for name in "ab")
    content = comparison.compare(
        {
            "weak": answer("weak", skill=1.2).split("test"),
            "strong": answer("strong", skill=2.5).split("test"),
            "recipe": first.with_logits(np.stack([first.logits, other.logits], axis=1)),
        }
    )
    text = markdown.of_comparison(content)
    *table, empty, legend = text.splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table]
    assert empty == ""
    assert len({len(row) for row in table}) == len({len(row) for row in cells}) == 1
    assert cells[0] == [
        "",
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "lowest_three_f1",
        "nll",
        "ece",
        "McNemar p",
    ]
    assert all(set(cell) == {"-"} for cell in cells[1])
    assert [row[0] for row in cells[2:]] == [
        "weak", "strong", "recipe, 2 seeds", "strong minus weak", "recipe minus weak"
    ]
    run = content["runs"]["recipe"]
    assert cells[4][1] == f"{run['accuracy']:.3f} ± {run['spread']['accuracy']:.3f}"
    value, low, high = content["differences"]["strong"]["nll"]
    column = cells[0].index("nll")
    assert cells[5][column] == f"**{value:+.3f} ({low:+.3f} to {high:+.3f})**"
    assert cells[5][-1] == f"{content['mcnemar']['strong']['p']:.2g}"
    assert cells[6][-1] == ""
    assert re.findall(r"\d+", legend)[:2] == ["420", "210"]
    assert "±" in legend


def test_a_difference_that_may_be_nothing_is_not_bold(answer):
    test = answer("m").split("test")
    text = markdown.of_comparison(comparison.compare({"one": test, "same": test}))
    assert "| +0.000 (+0.000 to +0.000) " in text
    assert "±" not in text


def filled(tmp_path, text):
    path = tmp_path / "README.md"
    path.write_text(text)
    markdown.put_between_markers(path, "new\n")
    return path.read_text()


def test_only_what_stands_between_the_markers_is_replaced(tmp_path):
    text = f"before\n{markdown.BEGIN}\nold\n{markdown.END}\nafter"
    once = filled(tmp_path, text)
    assert once == f"before\n{markdown.BEGIN}\n\nnew\n\n{markdown.END}\nafter"
    assert filled(tmp_path, once) == once


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        markdown.BEGIN,
        f"{markdown.END}\n{markdown.BEGIN}",
        f"{markdown.BEGIN}\n{markdown.BEGIN}\n{markdown.END}",
    ],
    ids=["none", "one", "reversed", "twice"],
)
def test_a_file_without_its_markers_is_left_alone(tmp_path, text):
    with pytest.raises(UserError, match=r"README\.md") as raised:
        filled(tmp_path, text)
    assert str(raised.value).endswith(f"{markdown.BEGIN}\n{markdown.END}")
    assert (tmp_path / "README.md").read_text() == text


def test_what_is_no_text_file_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere.md"):
        with pytest.raises(UserError, match=re.escape(str(path))):
            markdown.put_between_markers(path, "new")
