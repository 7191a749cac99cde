"""`fer-tf benchmark`: how long a bundle takes here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from fer_tf.cli import terminal
from fer_tf.cli.live import bundle_option
from fer_tf.cli.live import detector_option
from fer_tf.cli.live import threads_option
from fer_tf.cli.options import recipe
from fer_tf.cli.paths import FILE
from fer_tf.cli.paths import OUT_FILE
from fer_tf.config import Config

BATCH_SIZES = (1, 4)


@click.command()
@bundle_option
@detector_option
@threads_option
@click.option("--source", type=FILE, help="A film on which to time every stage.")
@click.option("--out", type=OUT_FILE, help="Write the figures as JSON.")
@recipe()
def benchmark(
    config: Config,
    bundle: Path | None,
    detector_model: Path | None,
    threads: int,
    source: Path | None,
    out: Path | None,
) -> None:
    """Measure a bundle's latency: the classifier alone, and each stage on a film.

    \b
    fer-tf benchmark --bundle runs/quickstart/bundle --source talk.mp4 --out here.json
    """
    from fer_tf import experiment
    from fer_tf import files
    from fer_tf.live.recogniser import find_bundle
    from fer_tf.runtime.classifier import Classifier

    classifier = Classifier(find_bundle(bundle), threads)
    latencies = dict(_classifier_alone(classifier))
    if source:
        latencies |= _stages(config, classifier, detector_model, threads, source)
    _print(latencies)
    if out:
        content = {
            "bundle": classifier.bundle.digest,
            "threads": threads,
            "latencies": {name: vars(value) for name, value in latencies.items()},
            "environment": experiment.environment(),
        }
        files.write_json(out, content)


def _classifier_alone(classifier: Any) -> Iterator[tuple[str, Any]]:
    """Yield the latency of the model alone, on noise, at each batch size."""
    import numpy as np

    from fer_tf.runtime import latency

    size = classifier.bundle.face.size
    noise = np.random.default_rng(0)
    for batch in BATCH_SIZES:
        inputs = noise.integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
        yield (
            f"classifier, batch {batch}",
            latency.measure(lambda: classifier.classify(inputs)),
        )


def _stages(
    config: Config,
    classifier: Any,
    detector_model: Path | None,
    threads: int,
    source: Path,
) -> dict[str, Any]:
    """Return the latency of each stage of the live view over a film's frames."""
    from fer_tf.live import camera
    from fer_tf.live import loop
    from fer_tf.live import recogniser
    from fer_tf.live import session
    from fer_tf.runtime import latency

    loaded = recogniser.load(
        classifier.bundle.folder,
        detector_model=detector_model,
        detect_side_px=config.live.detect_side_px,
        detector_score=config.live.detector_score,
        threads=threads,
    )
    reader = loop.Reader(loaded, config.live)
    times_ms = [reader(frame).stages_ms for frame in camera.open_source(str(source))]
    return {
        f"live, {stage}": latency.of([stages[stage] for stages in times_ms])
        for stage in session.STAGES
    }


def _print(latencies: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("", "median ms", "p95 ms", "calls")
    for name, value in latencies.items():
        table.add_row(
            name, f"{value.median_ms:.2f}", f"{value.p95_ms:.2f}", str(value.calls)
        )
    terminal.show(table)
