"""Cells that spreadsheets do not run, and that are read back as they were."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from fer_tf import spreadsheet
from fer_tf.manifest import table

HOSTILE = [
    *("=cmd|' /C calc'!A0", "+1+1", "-2+3+cmd", "@SUM(A1)", "\t=1", "\r=1", "=", "-"),
    *("'=1", "''=1", "'-x"),
]
HARMLESS = ["", "happy", "a=b", "'tis", "''", "-1", "+2.5e-3", "7", " =1", "é"]


@pytest.mark.parametrize("text", HOSTILE + HARMLESS, ids=ascii)
def test_text_is_no_formula_and_is_read_back(text):
    cell = spreadsheet.cell(text)
    assert spreadsheet.plain(cell) == text
    assert cell == text if text in HARMLESS else cell == f"'{text}"


@pytest.mark.parametrize("name", ["=1.jpg", "+a", "-b", "@c", "\td", "\re"], ids=ascii)
def test_a_path_is_the_same_path(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"")
    cell = spreadsheet.path_cell(name)
    assert cell == f"./{name}"
    assert Path(cell) == Path(name) and Path(cell).exists()


@pytest.mark.parametrize("path", ["a.jpg", "/=x.jpg", "a/=x.jpg", "./=x.jpg", ".x"])
def test_other_paths_stay(path):
    assert spreadsheet.path_cell(path) == path


def test_a_manifest_has_no_formula_and_is_read_back(tmp_path):
    rows = pd.DataFrame(
        [
            {
                **dict.fromkeys(table.COLUMNS, ""),
                **{"key": f"a/{number}", "width": 1, "height": 1},
                **dict.fromkeys(table.PUBLISHED, text),
            }
            for number, text in enumerate(HOSTILE + HARMLESS)
            # A line break alone at the end of a cell is the parser's to read.
            if "\r" not in text
        ]
    )
    path = tmp_path / "m.csv"
    table.write(path, rows)
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for cell in row.values():
                assert cell[:1] not in "=+@\t" or not cell or cell == "+2.5e-3"
                assert cell[:1] != "-" or float(cell)
    pd.testing.assert_frame_equal(table.parse(path)[list(table.COLUMNS)], rows)
