"""Every raw corpus as a TFDS dataset: the only way in.

Importing this package registers them all, so that `tfds.load("fer2013")` works.
"""

import contextlib
import io
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

import tensorflow_datasets as tfds

from fer_tf import image_files
from fer_tf import write_lock
from fer_tf.config import DataConfig
from fer_tf.data import records
from fer_tf.errors import UserError
from fer_tf.errors import unknown_name
from fer_tf.sources import pictures as own_pictures
from tfds_builders.affectnet import affectnet_dataset_builder
from tfds_builders.builder import RecordBuilder
from tfds_builders.builder import Track
from tfds_builders.builder import untracked
from tfds_builders.drawn_faces import drawn_faces_dataset_builder
from tfds_builders.expw import expw_dataset_builder
from tfds_builders.fer2013 import fer2013_dataset_builder
from tfds_builders.ferplus import ferplus_dataset_builder
from tfds_builders.pictures import pictures_dataset_builder
from tfds_builders.rafdb import rafdb_dataset_builder
from tfds_builders.rafdb_compound import rafdb_compound_dataset_builder
from tfds_builders.rafml import rafml_dataset_builder

log = logging.getLogger(__name__)

BUILDERS: Mapping[str, type[RecordBuilder]] = {
    "affectnet": affectnet_dataset_builder.Builder,
    "drawn_faces": drawn_faces_dataset_builder.Builder,
    "expw": expw_dataset_builder.Builder,
    "fer2013": fer2013_dataset_builder.Builder,
    "ferplus": ferplus_dataset_builder.Builder,
    "pictures": pictures_dataset_builder.Builder,
    "rafdb": rafdb_dataset_builder.Builder,
    "rafdb_compound": rafdb_compound_dataset_builder.Builder,
    "rafml": rafml_dataset_builder.Builder,
}


def build(
    source: str,
    raw: Path,
    data_dir: Path,
    config: DataConfig,
    track: Track = untracked,
) -> Path:
    """Build a corpus' TFRecords, unless they are there already.

    Args:
        source: one of `BUILDERS`, or the name of anybody's own pictures.
        raw: the folder that holds each corpus' own, `<raw>/<source>/`; not asked about
            one for which dummy data stands in.
        data_dir: where records are kept.
        track: given each split's records and its name; passes them on and may show
            how far it is.

    Returns:
        The folder of the records.

    Raises:
        UserError: the corpus is unknown, its files are not in `raw`, or too many of
            its rows cannot be read.
        OutsideError: another process is building the same records.
    """
    builder_class = _builder_class(source, raw, data_dir)
    builder = builder_class(
        data_dir=records.home(data_dir, source, config),
        config=records.config_name(source, config),
    )
    folder = Path(builder.data_dir)
    # A build that was killed leaves such a folder, which nothing ever reads.
    if folder.exists() and not any(folder.parent.glob("incomplete.*")):
        log.info("%s is built already. Delete it to read raw files anew.", folder)
        return folder
    with write_lock.file(folder):
        for stale in folder.parent.glob("incomplete.*"):
            shutil.rmtree(stale)
        # Another process may have built it since.
        if not folder.exists():
            _build(builder, source, raw, config, track)
    return folder


def _build(
    builder: RecordBuilder, source: str, raw: Path, config: DataConfig, track: Track
) -> None:
    dummy = source in config.dummy
    manual_dir = _dummy_data(builder) if dummy else builder.find(raw / source)
    builder.track = track
    tfds.disable_progress_bar()
    # TFDS prints that it downloads, which it does not.
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
        )
    # Saved beside the records, so that later commands need not read all of them.
    records.fingerprint(Path(builder.data_dir))


def _dummy_data(builder: RecordBuilder) -> Path:
    """Return the builder's dummy data, of several forms the first."""
    folder = Path(__file__).parent / builder.name / "dummy_data"
    for form in [folder, *sorted(folder.iterdir())]:
        with contextlib.suppress(UserError):
            return builder.find(form)
    raise ValueError(f"{folder} holds nothing that {builder.name} can read.")


def _builder_class(source: str, raw: Path, data_dir: Path) -> type[RecordBuilder]:
    if source in BUILDERS:
        return BUILDERS[source]
    own = BUILDERS[own_pictures.NAME]
    if own_pictures.looks_like(raw / source) or (data_dir / own.name / source).is_dir():
        return own
    if (raw / source).is_dir():
        raise UserError(
            f"{raw / source} holds {_shown(raw / source)}: expected "
            f"{own_pictures.LABELS} with the columns "
            f"{','.join(own_pictures.NEEDED)} beside the images, or a folder for each "
            f"class, such as happy/. For a known corpus, name the folder after it: "
            f"{', '.join(sorted(BUILDERS))}."
        )
    raise UserError(
        f"{unknown_name('source', source, BUILDERS)} Pictures of your own would be in "
        f"{raw / source}, with {own_pictures.LABELS} and {own_pictures.IMAGES}/ "
        "or a folder for each class."
    )


def _shown(folder: Path) -> str:
    """Return what a folder holds in which no labels were found."""
    walk = image_files.walk(folder)
    names = [path.name for path in image_files.subfolders(folder)]
    listed = f" in the folders {', '.join(names[:8])}" if names else " and no folders"
    return f"{len(walk.images)} images{listed}"
