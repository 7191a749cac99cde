"""A stage's epochs: order, views and mixing, and going on in the middle of one."""

import numpy as np
import pytest

from fer_tf import config as recipes
from fer_tf.data.crops import crop_of
from fer_tf.data.pipeline import Faces
from fer_tf.errors import UserError
from fer_tf.experiment import Experiment
from fer_tf.fusion import SoftLabels
from fer_tf.labels import NUM_CLASSES
from fer_tf.manifest import table
from fer_tf.manifest.clean import clean
from fer_tf.sources import drawn
from fer_tf.training import epochs
from fer_tf.training import stages

COUNT, VIEWS, BATCH, EPOCHS = 50, 3, 8, 5
# Classes 0 and 6 alone, of which the last has two pictures.
LABELS = np.array([0] * (COUNT - 2) + [6] * 2)


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (COUNT, 20, 20, 3), np.uint8)
    return Faces(
        keys=np.array([f"a/{row}" for row in range(COUNT)]),
        crops=[crop_of(picture, (), 16) for picture in pictures],
        targets=np.eye(NUM_CLASSES, dtype=np.float32)[LABELS],
        labels=LABELS,
        sources=np.array(["a", "b"])[np.arange(COUNT) % 2],
        groups=np.array([f"a/{row}" for row in range(COUNT)]),
        agreed=np.ones(COUNT, bool),
    )


def recipe(*overrides):
    return recipes.load(
        None,
        [
            "face.size=16",
            f"soft_labels.views={VIEWS}",
            "data.sources=[a, b]",
            f"student.train.epochs={EPOCHS}",
            f"student.train.batch_size={BATCH}",
            *overrides,
        ],
    )


def labelled(faces, *overrides):
    config = recipe(*overrides)
    return epochs.labelled(config, faces, config.student.train)


@pytest.fixture
def seen(monkeypatch):
    """The (row, view) pairs that the pipeline is asked for, in order."""
    asked = []
    batches = stages.pipeline.batches

    def noting(faces, *, rows, views, **more):
        asked.append([*zip(rows.tolist(), views.tolist(), strict=True)])
        return batches(faces, rows=rows, views=views, **more)

    monkeypatch.setattr(stages.pipeline, "batches", noting)
    return asked


def contents(data):
    return [{name: each.numpy() for name, each in batch.items()} for batch in data]


@pytest.mark.parametrize("first_step", [1, 4, 6])
@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("student.train.mixup=0.4",),
        ("student.train.cutmix=1.0",),
        ("student.train.sampling=balanced", "data.source_weights=[1, 3]"),
    ],
    ids=lambda overrides: " ".join(overrides) or "plain",
)
def test_an_epoch_goes_on_at_any_step_bit_for_bit(faces, overrides, first_step):
    data = labelled(faces, *overrides)
    whole, rest = contents(data.of(2)), contents(data.of(2, first_step))
    assert len(whole) == data.steps == 6
    assert len(rest) == 6 - first_step
    for one, other in zip(rest, whole[first_step:], strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("pieces", [1, 2])
def test_shares_make_up_every_batch(faces, count, pieces):
    data = labelled(faces)
    shares = [
        contents(data.of(1, 2, epochs.Share(index, count, pieces)))
        for index in range(count)
    ]
    whole = contents(data.of(1, 2))
    for step, batch in enumerate(whole):
        parts = [
            share[step * pieces + piece] for share in shares for piece in range(pieces)
        ]
        for name in batch:
            joined = np.concatenate([part[name] for part in parts])
            np.testing.assert_array_equal(joined, batch[name])
    assert {len(share) for share in shares} == {len(whole) * pieces}


def test_distillation_goes_on_at_any_step_bit_for_bit(faces, tmp_path):
    data = taught(faces, tmp_path, "distill.kd.train.sampling=balanced")
    whole, rest = contents(data.of(1)), contents(data.of(1, 2))
    for one, other in zip(rest, whole[2:], strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("sampling", ["shuffle", "balanced"])
def test_training_on_labels_never_sees_a_view_twice_nor_a_kept_one(
    faces, seen, sampling
):
    data = labelled(faces, f"student.train.sampling={sampling}")
    for epoch in range(EPOCHS):
        data.of(epoch)
    pairs = [pair for epoch in seen for pair in epoch]
    assert len(pairs) == EPOCHS * data.steps * BATCH
    assert len(set(pairs)) == len(pairs)
    assert min(view for _, view in pairs) == VIEWS


def test_a_rare_class_shows_other_pixels_each_time(faces):
    data = labelled(faces, "student.train.sampling=balanced")
    batches = contents(data.of(0))
    rare = [
        image.tobytes()
        for batch in batches
        for image, row in zip(batch["image"], batch["row"], strict=True)
        if row == COUNT - 1
    ]
    assert len(rare) >= 8
    assert len(set(rare)) == len(rare)


def taught(faces, tmp_path, *overrides):
    """Return KD's data; a soft label says of which row and view it is."""
    log_probs = np.zeros((COUNT, VIEWS, NUM_CLASSES), np.float32)
    log_probs[..., 0] = np.arange(COUNT)[:, None]
    log_probs[..., 1] = np.arange(VIEWS)
    path = tmp_path / "soft_labels.npz"
    SoftLabels(faces.keys[::-1], log_probs[::-1], view_seed=0).save(path)
    config = recipe(f"distill.kd.train.batch_size={BATCH}", *overrides)
    return epochs.taught(config, faces, config.distill.kd.train, path)


def test_distillation_sees_all_kept_views_and_no_others(faces, seen, tmp_path):
    data = taught(faces, tmp_path)
    # Of each epoch two pictures are left over, others each time.
    for epoch in range(3 * VIEWS):
        data.of(epoch)
    pairs = {pair for epoch in seen for pair in epoch}
    assert pairs == {(row, view) for row in range(COUNT) for view in range(VIEWS)}
    first = [view for _, view in seen[0]]
    assert np.bincount(first).min() >= COUNT // VIEWS - 2


def test_a_picture_drawn_often_is_distilled_in_all_its_views(faces, seen, tmp_path):
    taught(faces, tmp_path, "distill.kd.train.sampling=balanced").of(0)
    views = [view for row, view in seen[0] if row == COUNT - 1]
    counts = np.bincount(views, minlength=VIEWS)
    assert counts.min() >= 3
    assert np.ptp(counts) <= 1


def test_soft_labels_stay_with_their_row_and_view(faces, seen, tmp_path):
    batches = contents(taught(faces, tmp_path).of(1))
    found = [
        (int(label[0]), int(label[1])) for b in batches for label in b["soft_label"]
    ]
    assert found == seen[0][: len(found)]
    for batch in batches:
        np.testing.assert_array_equal(batch["row"], batch["soft_label"][:, 0])


def test_students_of_any_seed_are_taught_on_the_views_that_were_answered(
    faces, tmp_path
):
    """In an order of their own: a soft label stays with the pixels that it is of."""
    first, other = (
        [
            (tuple(label), image.tobytes())
            for batch in contents(taught(faces, tmp_path, f"seed={seed}").of(0))
            for label, image in zip(batch["soft_label"], batch["image"], strict=True)
        ]
        for seed in (0, 1)
    )
    pixels = dict(first)
    both = [(label, image) for label, image in other if label in pixels]
    assert len(both) > COUNT // 2
    assert all(pixels[label] == image for label, image in both)
    assert [label for label, _ in first] != [label for label, _ in other]


def test_weights_are_those_of_the_sources_in_their_order(faces):
    data = labelled(faces, "data.source_weights=[0, 2]")
    rows = np.concatenate([batch["row"] for batch in contents(data.of(0))])
    assert set(faces.sources[rows]) == {"b"}


def test_a_weight_for_a_source_that_is_not_trained_on_is_told(faces):
    data = labelled(
        faces, "data.sources=[a, b, c]", "data.source_weights=[1, 1, 1]"
    )
    with pytest.raises(UserError, match=r"data\.source_weights.*\bc\b.*\b1\b"):
        data.of(0)


def test_a_record_says_which_source_a_weight_is_of(monkeypatch):
    """The same weights in another order of sources are another drawing."""
    one, other = (
        stages._settings(
            recipes.load(
                None, [f"data.sources={sources}", "data.source_weights=[1, 9]"]
            )
        )["source_weights"]
        for sources in ("[fer2013, ferplus]", "[ferplus, fer2013]")
    )
    assert one == {"fer2013": 1, "ferplus": 9} and other == {"ferplus": 1, "fer2013": 9}


def test_a_wrong_weight_is_told_before_a_step_is_begun(tmp_path):
    """So that to correct it is not to ask the same experiment for something else."""
    experiment = Experiment(tmp_path)
    table.write(experiment.manifest, clean(drawn.records(70, seed=0)))
    config = recipes.load(
        None,
        ["data.sources=[drawn_faces, fer2013]", "data.source_weights=[1, 2]"],
    )
    with pytest.raises(UserError, match=r"data\.source_weights.*\bfer2013\b.*\b2\b"):
        stages.train_student(config, experiment)
    assert not experiment.student("ce").path.exists()
