"""A manifest written is the manifest read, empty cells and odd names alike."""

import pytest

from fer_tf import files
from fer_tf.errors import UserError
from fer_tf.manifest import table
from fer_tf.manifest.clean import clean
from fer_tf.sources import drawn


@pytest.fixture(scope="module")
def manifest():
    """The manifest of fourteen drawn faces."""
    return clean(drawn.records(14, seed=0))


def test_what_is_written_is_read(manifest, tmp_path):
    odd = manifest.copy()
    odd.loc[0, "label_original"] = 'NA, "none"\nof ours'
    odd.loc[1, "subject"] = "NULL"
    odd.loc[2, "subject"] = "007"
    path = tmp_path / "new" / "manifest.csv"
    table.write(path, odd)
    back = table.read(path)
    assert (back == odd).all().all()
    assert back["votes"].tolist() == [""] * 14
    assert back["width"].dtype == "int64"


def test_the_same_manifest_is_the_same_bytes(manifest, tmp_path):
    for name in ("one.csv", "two.csv"):
        table.write(tmp_path / name, manifest)
    one = (tmp_path / "one.csv").read_bytes()
    assert one == (tmp_path / "two.csv").read_bytes() and b"\r" not in one
    assert len([*tmp_path.iterdir()]) == 2, "no temporary file is left"


def test_what_is_no_manifest_is_refused(manifest, tmp_path):
    path = tmp_path / "manifest.csv"
    with pytest.raises(UserError, match="fer-tf data clean"):
        table.read(path)
    with pytest.raises(UserError, match="manifest"):
        table.read(tmp_path)
    path.write_text("")
    with pytest.raises(UserError, match="manifest"):
        table.read(path)
    path.write_text("key,width,height\na/1,x,3\n")
    with pytest.raises(UserError, match="manifest"):
        table.read(path)
    path.write_text("key,width,height\na/1,3,3\n")
    with pytest.raises(UserError, match=r"manifest\.csv.*\bsource\b"):
        table.read(path)
    table.write(path, manifest.iloc[[0, 1, 0]])
    with pytest.raises(UserError, match="'drawn_faces/0-000000'"):
        table.read(path)


@pytest.mark.parametrize(
    ("column", "text"),
    [("split", "tset"), ("label", "Hap"), ("distribution", "1 0 0"), ("label", ""),
     ("distribution", "nan 0 0 0 0 0 1"), ("distribution", "x"), ("votes", "1.5 2"),
     ("votes", "9" * 5000), ("votes", "-1 2"), ("votes", "\u0665")],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_named(manifest, tmp_path, column, text):
    path = tmp_path / "manifest.csv"
    wrong = manifest.copy()
    wrong.loc[3, column] = text
    table.write(path, wrong)
    with pytest.raises(UserError, match=wrong.loc[3, "key"]):
        table.read(path)
    assert table.parse(path).loc[3, column] == text


@pytest.mark.parametrize("number", ["x", "-", "1e400", "9" * 40, "3.5"])
def test_a_size_that_is_no_integer_is_refused(manifest, tmp_path, number):
    path = tmp_path / "manifest.csv"
    table.write(path, manifest.astype({"width": str}).assign(width=number))
    with pytest.raises(UserError, match="manifest.csv"):
        table.read(path)


def test_every_flipped_bit_of_a_manifest_is_found(manifest, tmp_path):
    path = tmp_path / "manifest.csv"
    table.write(path, manifest)
    report = {table.SHA256: files.sha256_of(path)}
    files.write_json(path.with_suffix(".json"), report)
    assert (table.read(path) == manifest).all().all()
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 8 * len(whole) // 100):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="manifest.csv"):
            table.read(path)


def test_without_its_report_a_manifest_is_taken_as_it_is(manifest, tmp_path):
    path = tmp_path / "manifest.csv"
    table.write(path, manifest)
    assert not table.changed(path)
    files.write_json(path.with_suffix(".json"), {"records": {}})
    assert not table.changed(path)
