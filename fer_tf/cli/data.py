"""`fer-tf data`: corpora to records, records to a manifest, and its inspection."""

import logging
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import MofNCompleteColumn
from rich.progress import Progress
from rich.progress import SpinnerColumn
from rich.progress import TextColumn
from rich.progress import TimeElapsedColumn
from rich.table import Column
from rich.table import Table

from fer_tf.cli import terminal
from fer_tf.cli.groups import SuggestingGroup
from fer_tf.cli.options import SOURCE
from fer_tf.cli.options import recipe
from fer_tf.cli.paths import FILE
from fer_tf.cli.paths import FOLDER
from fer_tf.cli.paths import OUT_FILE
from fer_tf.config import Config
from fer_tf.errors import CheckFailed
from fer_tf.errors import UserError

log = logging.getLogger(__name__)

SHOWN_FINDINGS = 20


def build_sources(config: Config, raw: Path, data_dir: Path) -> list[Path]:
    """Build each source's records where they are not built yet; return the folders."""
    import tfds_builders

    return [
        tfds_builders.build(source, raw, data_dir, config.data, _track)
        for source in config.data.sources
    ]


def clean_sources(
    config: Config, data_dir: Path, out: Path, pictures: bool = False
) -> dict[str, Any]:
    """Write the manifest of the recipe's sources to `out`, and its report beside it.

    The report is written as JSON and as a page, which shows `pictures` where wanted.

    Returns:
        The report; `records` says which folder each source was read from, relative to
        `data_dir`, and the fingerprint of its content.
    """
    from fer_tf import write_lock

    with write_lock.file(out):
        return _clean_sources(config, data_dir, out, pictures)


def _clean_sources(
    config: Config, data_dir: Path, out: Path, pictures: bool
) -> dict[str, Any]:
    from fer_tf import files
    from fer_tf.data import records
    from fer_tf.manifest import table
    from fer_tf.manifest.clean import clean
    from fer_tf.manifest.report import report

    folders = {
        source: records.locate(data_dir, source, config.data)
        for source in config.data.sources
    }
    rows = clean(_read_all(folders, "cleaning"), config.data)
    summary = report(
        rows, {source: records.rejects(path) for source, path in folders.items()}
    )
    summary["records"] = {
        source: {
            "folder": path.relative_to(data_dir).as_posix(),
            "sha256": records.fingerprint(path),
        }
        for source, path in folders.items()
    }
    table.write(out, rows)
    summary[table.SHA256] = files.sha256_of(out)
    files.write_json(out.with_suffix(".json"), summary)
    write_page(out, data_dir, pictures)
    return summary


def write_page(manifest: Path, data_dir: Path, pictures: bool) -> None:
    """Write the page of a manifest from the table and the report beside it."""
    from fer_tf import files
    from fer_tf.manifest import page
    from fer_tf.manifest import table

    rows = table.read(manifest)
    shown = None
    if pictures:
        shown = _pictures_of(page.examples(rows), _folders(manifest, data_dir))
    summary = files.read_json(manifest.with_suffix(".json"))
    files.write_text(manifest.with_suffix(".html"), page.render(summary, rows, shown))


def _pictures_of(
    examples: Mapping[str, Iterable[tuple[str, ...]]], folders: Mapping[str, Path]
) -> dict[str, bytes]:
    wanted = {key for shown in examples.values() for keys in shown for key in keys}
    return {
        record.key: record.image
        for record in _read_all(folders, "looking for examples in")
        if record.key in wanted
    }


def _read_all(folders: Mapping[str, Path], doing: str) -> Iterator[Any]:
    from fer_tf.data import records

    for source, path in folders.items():
        total = records.count(path)
        yield from _track(records.read(path), f"{doing} {source}", total)


def _track(records: Iterable[Any], doing: str, total: int | None = None) -> Iterator:
    """Yield `records` and show on stderr how many have passed."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield from progress.track(
            records, total, description=terminal.one_line(doing)
        )


@click.group(cls=SuggestingGroup)
def data() -> None:
    """Corpora to records, records to a manifest.

    \b
    fer-tf data build fer2013 --raw data/raw --data-dir data/records
    fer-tf data clean fer2013 --data-dir data/records --out manifest.csv
    fer-tf data validate manifest.csv --data-dir data/records
    fer-tf data stats manifest.csv
    """


@data.command()
@click.option("--raw", type=FOLDER, help="The folder with each corpus' own folder.")
@click.option("--data-dir", type=FOLDER, help="Where records are written.")
@recipe(SOURCE, tensorflow=True)
def build(config: Config, raw: Path | None, data_dir: Path | None) -> None:
    """Write a corpus' TFRecords; without SOURCE, those of the recipe.

    \b
    fer-tf data build drawn_faces data.drawn_count=500
    fer-tf data build fer2013 --raw data/raw       reads data/raw/fer2013/
    """
    raw, data_dir = raw or Path(config.data.raw), data_dir or _data_dir(config)
    for path in build_sources(config, raw, data_dir):
        terminal.say(path)


@data.command()
@click.option("--data-dir", type=FOLDER, help="Where the records are.")
@click.option(
    "--out",
    type=OUT_FILE,
    default="manifest.csv",
    show_default=True,
    help="The manifest; its report is written beside it, as JSON and as a page.",
)
@click.option(
    "--pictures",
    is_flag=True,
    help="Show pictures on the page; faces are personal data.",
)
@recipe(SOURCE, tensorflow=True)
def clean(config: Config, data_dir: Path | None, out: Path, pictures: bool) -> None:
    """Find what is unusable, doubled or leaked, and write the manifest.

    \b
    fer-tf data clean fer2013 --out manifest.csv
    fer-tf data clean fer2013 ferplus data.ferplus_weight=0.7    labels mixed
    fer-tf data clean fer2013 rafdb data.held_out=[rafdb]        one never trained on
    fer-tf data clean fer2013 data.limit=500       at most 500 rows of each split
    """
    if out.suffix.lower() in (".json", ".html"):
        raise UserError(
            f"--out {out} is where the manifest's report goes: expected another "
            "suffix, such as .csv."
        )
    summary = clean_sources(config, data_dir or _data_dir(config), out, pictures)
    for source, part in summary["by_source"].items():
        if part["rejected"]:
            terminal.say(f"{source}: {len(part['rejected'])} rows rejected when built")
    terminal.say(f"{out}: {summary['kept']} of {summary['rows']} rows kept")
    for reason, count in summary["excluded"].items():
        terminal.say(f"{count:8} {reason}")


@data.command()
@click.option("--data-dir", type=FOLDER, help="Where the records are.")
@click.option(
    "--accept",
    is_flag=True,
    help="Accept a manifest that was edited on purpose, if its rows are valid.",
)
@recipe("MANIFEST", tensorflow=True)
def validate(
    config: Config, names: tuple[str, ...], data_dir: Path | None, accept: bool
) -> None:
    """Compare a manifest with its records; exit 1 and name the rows that differ.

    \b
    fer-tf data validate manifest.csv --data-dir data/records
    fer-tf data validate manifest.csv --accept     after rows were edited by hand
    """
    from fer_tf import write_lock
    from fer_tf.manifest import table
    from fer_tf.manifest.validate import validate as findings_of

    manifest = _manifest(names)
    rows = table.parse(manifest)
    data_dir = data_dir or _data_dir(config)
    folders = _folders(manifest, data_dir)
    findings = findings_of(rows, _read_all(folders, "validating"))
    changed = table.changed(manifest)
    if changed and not accept:
        findings.append(f"{manifest} {table.CHANGED}")
    for finding in findings[:SHOWN_FINDINGS]:
        terminal.say(finding)
    if findings:
        raise CheckFailed(f"{manifest}: {len(findings)} findings.")
    if changed:
        with write_lock.file(manifest):
            _accept(manifest, rows, data_dir)
    terminal.say(f"{manifest}: {len(rows)} rows are as their records.")


def _accept(manifest: Path, rows: Any, data_dir: Path) -> None:
    """Write the report and the page of a manifest that was edited on purpose."""
    from fer_tf import files
    from fer_tf.experiment import accept
    from fer_tf.manifest import table
    from fer_tf.manifest.report import report

    path = manifest.with_suffix(".json")
    described = files.read_json(path)
    summary = {
        **described,
        **report(rows, described["by_source"]),
        table.SHA256: files.sha256_of(manifest),
    }
    files.write_json(path, summary)
    # In an experiment, the record of the stage that cleaned has both digests too.
    for written in (manifest, path):
        accept(written)
    write_page(manifest, data_dir, pictures=False)
    terminal.say(f"{path} now describes the manifest as it was edited.")


@data.command()
@click.argument("manifest", type=FILE)
def stats(manifest: Path) -> None:
    """Show a manifest's kept rows by source, split and class.

    \b
    fer-tf data stats manifest.csv
    """
    from fer_tf.manifest import report
    from fer_tf.manifest import table

    if table.changed(manifest):
        log.warning("%s %s", manifest, table.CHANGED)
    rows = report.stats(table.parse(manifest))
    numbers = [Column(name, justify="right") for name in (*rows.columns, "all")]
    shown = Table("source", "split", *numbers, box=box.SIMPLE, padding=0)
    for (source, split), counts in rows.iterrows():
        names = (terminal.cell(source), terminal.cell(split))
        shown.add_row(*names, *map(str, counts), str(counts.sum()))
    terminal.show(shown)


def _data_dir(config: Config) -> Path:
    return Path(config.data.data_dir)


def _manifest(names: tuple[str, ...]) -> Path:
    if len(names) != 1:
        raise click.UsageError(f"expected one MANIFEST, received {len(names)}.")
    return Path(names[0])


def _folders(manifest: Path, data_dir: Path) -> dict[str, Path]:
    """Return the folders of records that the manifest's report names, by source."""
    from fer_tf import files

    path = manifest.with_suffix(".json")
    described = files.read_json(path)
    if not isinstance(described, dict) or "records" not in described:
        raise UserError(
            f"{path} is not the report of a manifest: expected `records` in it. Make "
            "both with: fer-tf data clean"
        )
    return {
        source: data_dir / records["folder"]
        for source, records in described["records"].items()
    }
