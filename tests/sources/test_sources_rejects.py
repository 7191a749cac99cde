"""Rows that cannot be read are counted and named, and too many of them stop the run."""

import dataclasses
import logging

from dataclasses import replace

import pytest

from fer_tf import labels
from fer_tf.errors import UserError
from fer_tf.sources import SPLITS
from fer_tf.sources import Record
from fer_tf.sources.entry import Entry
from fer_tf.sources.entry import Skipped
from fer_tf.sources.entry import records
from fer_tf.sources.entry import splits
from fer_tf.sources.rejects import PATIENCE
from fer_tf.sources.rejects import Rejects


def entry(row, split="train", bad="", key=""):
    """Return the entry of a row; a `bad` one says so when it is made."""

    def make():
        if bad:
            raise ValueError(bad)
        return Record(
            key=key or f"corpus/{row}",
            image=b"",
            label="Happy",
            label_original="1",
            distribution=labels.one_hot("Happy"),
            split=split,
        )

    return Entry(f"list.txt, row {row}", split, make)


def test_an_attempt_returns_what_was_made_or_none():
    rejects = Rejects("corpus")
    assert rejects.attempt("row 0", int, "12") == 12
    assert rejects.attempt("row 1", int, "twelve") is None
    assert rejects.to_dict() == {
        "attempted": 2,
        "rejected": {"row 1": "invalid literal for int() with base 10: 'twelve'"},
        "skipped": {},
        "notes": {},
        "classes": {},
        "layout": "",
    }


def test_what_was_skipped_or_converted_and_each_label_are_reported():
    rejects = Rejects("corpus")
    rows = [entry(row) for row in range(3)]
    rows.insert(1, Skipped("._a.jpg", "hidden"))
    converted = replace(rows[0].make(), key="corpus/9", notes=("converted from CMYK",))
    rows.append(Entry("list.txt, row 9", "train", lambda: converted))
    # A pass for each split sees what was skipped again; it counts once.
    found = [record for split in SPLITS for record in records(rows, rejects, split)]
    assert len(found) == 4
    report = rejects.to_dict()
    assert (report["attempted"], report["rejected"]) == (4, {})
    assert report["skipped"] == {"._a.jpg": "hidden"}
    assert report["notes"] == {"converted from CMYK": 1}
    assert report["classes"] == {"1": "Happy"}


def test_a_reason_is_one_short_line_whatever_the_corpus_holds():
    def fail():
        raise ValueError("\x1b[31m\n" + 10_000 * "x")

    rejects = Rejects("corpus")
    rejects.attempt("a\udcff\x1b[2J.png", fail)
    ((where, reason),) = rejects.rejected.items()
    assert where == "a??[2J.png"
    assert len(reason) == 300 and reason.isprintable()


def test_a_name_that_is_no_text_is_a_reject():
    rejects = Rejects("corpus")
    rows = [entry(row) for row in range(100)] + [entry(100, key="corpus/\udcff")]
    assert len(list(records(rows, rejects))) == 100
    assert "no UTF-8" in rejects.rejected["list.txt, row 100"]


def test_what_is_wrong_with_the_whole_corpus_is_no_reject():
    def fail():
        raise UserError("missing")

    rejects = Rejects("corpus")
    with pytest.raises(UserError, match="^missing$"):
        rejects.attempt("row 0", fail)
    assert rejects.rejected == {}


def test_a_reject_is_logged_once_by_file_and_row(caplog):
    rows = [entry(row, bad="no picture" if row == 7 else "") for row in range(120)]
    rejects = Rejects("corpus")
    with caplog.at_level(logging.WARNING, "fer_tf"):
        for split in SPLITS:
            list(records(rows, rejects, split))
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("corpus: list.txt, row 7 ")
    assert message.endswith(": no picture")


@pytest.mark.parametrize("good, stops", [(99, False), (98, True)])
def test_more_than_one_in_a_hundred_stops_at_the_end_of_a_pass(good, stops):
    rows = [entry(0, bad="broken"), *(entry(row) for row in range(1, good + 1))]
    passing = records(rows, Rejects("corpus"))
    read = [next(passing) for _ in range(good)]
    assert len(read) == good
    if stops:
        with pytest.raises(UserError, match="corpus: 1 of 99 "):
            next(passing)
    else:
        assert list(passing) == []


def test_it_does_not_matter_which_split_has_the_rejects():
    rows = [entry(0, bad="broken"), *(entry(row) for row in range(1, 150))]
    few = [dataclasses.replace(row, split="test") for row in rows[:50]]
    for splits_of in (rows[50:], few), (few, rows[50:]):
        rejects = Rejects("corpus")
        for part in splits_of:
            list(records(part, rejects, part[0].split))
        rejects.check()
        assert len(rejects.rejected) == 1
    rejects.rejected |= {"list.txt, row 151": "broken"}
    with pytest.raises(UserError, match="corpus: 2 of 150 "):
        rejects.check()


def test_rows_with_a_wrong_root_stop_the_run_and_are_never_dropped_silently():
    rows = (entry(row, bad=f"no {row}.jpg") for row in range(10**9))
    rejects = Rejects("corpus")
    with pytest.raises(UserError) as caught:
        list(records(rows, rejects))
    message = str(caught.value)
    assert f"{PATIENCE + 1} of {PATIENCE + 1} " in message
    assert "list.txt, row 0: no 0.jpg" in message
    assert "README.md" in message
    assert len(rejects.rejected) == PATIENCE + 1, "it stopped as soon as it could"


def test_a_few_among_very_many_do_not_stop_it():
    rows = (entry(row, bad="" if row % 200 else "broken") for row in range(1, 4001))
    rejects = Rejects("corpus")
    assert len(list(records(rows, rejects))) == 3980
    assert rejects.attempted == 4000 and len(rejects.rejected) == 20


def test_every_row_is_tried_in_one_pass_alone():
    rows = [entry(row, SPLITS[row % 3]) for row in range(300)]
    rows[150] = entry(150, split="", bad="expected a split")
    rejects = Rejects("corpus")
    found = {split: list(records(rows, rejects, split)) for split in SPLITS}
    assert rejects.attempted == 300
    assert [len(found[split]) for split in SPLITS] == [99, 100, 100]
    assert rejects.rejected == {"list.txt, row 150": "expected a split"}


def test_a_second_record_of_one_key_is_a_reject_in_another_split_too():
    rows = [entry(row) for row in range(200)]
    rows += [entry(200, "test", key="corpus/7")]
    rejects = Rejects("corpus")
    found = [record for split in SPLITS for record in records(rows, rejects, split)]
    assert len(found) == 200
    assert list(rejects.rejected) == ["list.txt, row 200"]
    assert "corpus/7" in rejects.rejected["list.txt, row 200"]


def test_rows_are_read_one_at_a_time():
    rejects = Rejects("corpus")
    assert next(records([entry(0), entry(1, bad="x")], rejects)).key == "corpus/0"
    assert rejects.attempted == 1


def test_splits_are_those_that_have_rows():
    rows = [entry(0, "test"), entry(1, bad="unread"), entry(2, "test")]
    assert splits(rows) == ("train", "test")
    assert splits([]) == ()
