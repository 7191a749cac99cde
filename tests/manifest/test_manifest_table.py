"""A manifest written is the manifest read, empty cells and odd names alike."""

import pytest

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
    with pytest.raises(UserError, match="not readable as a manifest"):
        table.read(tmp_path)
    path.write_text("")
    with pytest.raises(UserError, match="not readable as a manifest"):
        table.read(path)
    path.write_text("key,width,height\na/1,x,3\n")
    with pytest.raises(UserError, match="not readable as a manifest"):
        table.read(path)
    path.write_text("key,width,height\na/1,3,3\n")
    with pytest.raises(UserError, match="lacks the columns source"):
        table.read(path)
    table.write(path, manifest.iloc[[0, 1, 0]])
    with pytest.raises(UserError, match="has the key 'drawn_faces/0-000000' twice"):
        table.read(path)
