"""Which split a row is used in, and which source is never trained on."""

import pandas as pd
import pytest

from fer_tf.manifest import splits


def table(*rows, source="a"):
    """Return rows of (key, published split[, group]) as a manifest has them."""
    return pd.DataFrame(
        {
            "key": [f"{source}/{row[0]}" for row in rows],
            "source": source,
            "split": [row[1] for row in rows],
            "split_published": [row[1] for row in rows],
            "group": [f"{source}/{row[2] if row[2:] else row[0]}" for row in rows],
            "excluded": "",
        }
    )


def cut(rows: pd.DataFrame, **options) -> pd.DataFrame:
    return rows.assign(**splits.assign(rows, **options))


def test_a_publishers_splits_are_kept():
    rows = table((1, "train"), (2, "validation"), (3, "test"))
    assert cut(rows)["split"].tolist() == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("published", "wanted"),
    [
        (["train"], {"train": 0.8, "validation": 0.1, "test": 0.1}),
        (["train", "test"], {"validation": 0.1}),
        (["train", "validation"], {"test": 0.1}),
    ],
)
def test_a_missing_split_is_a_tenth_of_training(published, wanted):
    held_rows = [(f"held-{split}", split) for split in published]
    rows = table(*((n, "train") for n in range(4000)), *held_rows)
    done = cut(rows)
    parts = done["split"].value_counts(normalize=True)
    for name, share in wanted.items():
        assert parts[name] == pytest.approx(share, abs=0.015)
    held = done["split_published"] != "train"
    assert (done["split"][held] == done["split_published"][held]).all()


def test_a_group_is_cut_as_one_and_stays_where_it_is():
    rows = table(*((n, "train", n // 5 * 5) for n in range(1000)))
    done = cut(rows)
    assert done.groupby("group")["split"].nunique().max() == 1
    more = pd.concat([rows, table(*((n, "train") for n in range(50)), source="b")])
    again = cut(more.reset_index(drop=True))
    assert again["split"][:1000].tolist() == done["split"].tolist()


def test_a_group_that_begins_in_another_source_is_cut_as_if_alone():
    rows = table(*((n, "train") for n in range(300)), source="b")
    tied = pd.concat([table(("x", "test"), ("y", "validation")), rows])
    tied = tied.reset_index(drop=True)
    tied["group"] = tied["group"].where(tied.index > 10, "a/x")
    assert cut(tied)["split"][11:].tolist() == cut(rows)["split"][9:].tolist()


def test_of_a_held_out_source_only_test_is_kept():
    rows = table((1, "train"), (2, "validation"), (3, "test"))
    done = cut(rows, held_out=["a"])
    assert done["split"].tolist() == ["train", "validation", "test"]
    assert done["excluded"].tolist() == [splits.HELD_OUT, splits.HELD_OUT, ""]


def test_a_held_out_source_without_a_test_split_is_test():
    done = cut(table((1, "train"), (2, "train")), held_out=["a"])
    assert done["split"].tolist() == ["test", "test"]
    assert done["excluded"].tolist() == ["", ""]


def test_what_is_out_for_another_reason_keeps_it():
    rows = table((1, "train"), (2, "test")).assign(excluded=["blank", ""])
    assert cut(rows, held_out=["a"])["excluded"].tolist() == ["blank", ""]


def test_a_source_to_validate_on_is_never_trained_on_and_keeps_its_test_split():
    shifted = table((1, "train"), (2, "validation"), (3, "test"), source="posed")
    rows = pd.concat([table((1, "train")), shifted]).reset_index(drop=True)
    done = cut(rows, validate_on=["posed"])
    posed = done[done["source"] == "posed"]
    assert posed["split"].tolist() == ["domain_validation"] * 2 + ["test"]
    assert (done["excluded"] == "").all()
    assert "domain_validation" not in set(done["split"][done["source"] == "a"])


def test_without_a_test_split_all_of_a_source_to_validate_on_is_validation():
    rows = table(*((n, "train") for n in range(100)), source="posed")
    assert set(cut(rows, validate_on=["posed"])["split"]) == {"domain_validation"}
