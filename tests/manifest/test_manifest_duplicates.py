"""One photograph is found again, whatever was done to it, and no other with it."""

import cv2
import numpy as np
import pytest

from fer_tf import picture
from fer_tf.manifest import candidates
from fer_tf.manifest import duplicates
from fer_tf.manifest import hashes
from fer_tf.manifest.sketches import Sketches
from fer_tf.sources import drawn

COUNT = 70


@pytest.fixture(scope="module")
def faces():
    """Seventy drawn faces, uint8 [96, 96, 3] each."""
    return [picture.decode(face.image) for face in drawn.records(COUNT, seed=3)]


def resized(side):
    return lambda face: cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)


def encoded(quality):
    def change(face):
        data = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(data, cv2.IMREAD_COLOR)

    return change


CHANGES = {
    "copied": lambda face: face.copy(),
    "as JPEG 50": encoded(50),
    "as JPEG 95": encoded(95),
    "smaller": resized(48),
    "larger": resized(224),
    "cropped": lambda face: face[3:-1, 2:-4],
    "cropped all round": lambda face: face[4:-4, 4:-4],
    "mirrored": lambda face: face[:, ::-1],
    "mirrored and cropped": lambda face: face[2:-2, 3:-3][:, ::-1],
    "brighter": lambda face: np.clip(face.astype(int) + 30, 0, 255).astype(np.uint8),
    "darker": lambda face: (face * 0.6).astype(np.uint8),
    "grey": lambda face: np.dstack([cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)] * 3),
}


def found(pictures, among=None) -> set[tuple[int, int]]:
    """Return the pairs that are found among pictures."""
    rows = np.arange(len(pictures)) if among is None else np.array(among)
    with Sketches() as sketches:
        for each in pictures:
            sketches.add(np.ascontiguousarray(each))
        pairs = duplicates.find(sketches, rows)
    return set(map(tuple, pairs.tolist()))


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_found_and_no_other(faces, change):
    pairs = found([*faces, *map(CHANGES[change], faces)])
    planted = {(row, row + COUNT) for row in range(COUNT)}
    assert len(pairs & planted) >= 0.97 * COUNT
    assert pairs <= planted


def test_different_faces_are_no_duplicates(faces):
    assert found(faces) == set()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_pictures_are_no_special_case(faces, count):
    assert found(faces[:count]) == set()
    assert found([faces[0]] * count) == ({(0, 1)} if count == 2 else set())


def test_only_the_pictures_asked_for_are_compared(faces):
    pictures = [faces[0], faces[1], faces[0], faces[1]]
    assert found(pictures, among=[0, 1, 3]) == {(1, 3)}


def test_blocks_and_order_change_nothing(faces, monkeypatch):
    pictures = [*faces[:40], *(CHANGES["cropped"](face) for face in faces[:40])]
    whole = found(pictures)
    monkeypatch.setattr(candidates, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(candidates, "COLUMNS_AT_ONCE", 11)
    monkeypatch.setattr(candidates, "PAIRS_AT_ONCE", 3)
    monkeypatch.setattr(duplicates, "PAIRS_AT_ONCE", 5)
    assert found(pictures) == whole
    order = np.random.default_rng(0).permutation(len(pictures))
    shuffled = found([pictures[row] for row in order])
    back = {tuple(sorted((int(order[a]), int(order[b])))) for a, b in shuffled}
    assert back == whole


def test_the_hash_of_a_mirrored_picture_has_its_signs_turned(faces):
    thumb = hashes.thumbnail(faces[0])
    mirrored = hashes.waves(np.ascontiguousarray(thumb[:, ::-1]))
    np.testing.assert_allclose(
        mirrored, hashes.waves(thumb) * hashes.MIRRORED, atol=1e-2
    )


def test_tangents_are_what_a_small_move_does(faces):
    """Against finite differences: the picture moved by half a pixel each way."""
    for face in faces[:5]:
        thumb = hashes.thumbnail(cv2.GaussianBlur(face, (0, 0), 5))
        for way, (dx, dy) in enumerate([(1, 0), (0, 1)]):
            moved = [
                cv2.warpAffine(
                    thumb.astype(np.float32),
                    np.float32([[1, 0, sign * dx / 2], [0, 1, sign * dy / 2]]),
                    (32, 32),
                    borderMode=cv2.BORDER_REPLICATE,
                )
                for sign in (-1, 1)
            ]
            difference = hashes.waves(moved[0]) - hashes.waves(moved[1])
            tangent = hashes.tangents(thumb)[way]
            cosine = difference @ tangent
            cosine /= np.linalg.norm(difference) * np.linalg.norm(tangent)
            assert cosine > 0.97


def test_many_pictures_have_the_statistics_of_themselves_and_their_mirror_images():
    rng = np.random.default_rng(0)
    waves = rng.integers(-90, 100, (60_000, hashes.BITS)).astype(np.int8)
    both = np.concatenate([waves, waves * hashes.MIRRORED]).astype(float)
    mean, spread = candidates._statistics(waves)
    np.testing.assert_allclose(mean, both.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(spread, both.std(axis=0), rtol=0.01)


def test_similarity_is_of_details_not_of_light(faces):
    thumb = hashes.thumbnail(faces[0])
    assert duplicates.similarity(thumb, thumb) == pytest.approx(1, abs=1e-3)
    darker = (thumb * 0.5).astype(np.uint8)
    assert duplicates.similarity(thumb, darker) > 0.95
    other = hashes.thumbnail(faces[1])
    assert duplicates.similarity(thumb, other) < duplicates.LEAST_CORRELATION
    flat = np.full_like(thumb, 99)
    assert duplicates.similarity(thumb, flat) == 0


def test_who_stands_for_a_chain_is_in_its_middle():
    pairs = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [5, 6]])
    standing = duplicates.representatives(8, pairs)
    assert standing.tolist() == [1, 1, 1, 3, 3, 5, 5, 7]


@pytest.mark.parametrize("seed", range(5))
def test_every_member_is_paired_with_who_stands_for_it(seed):
    rng = np.random.default_rng(seed)
    pairs = np.unique(np.sort(rng.integers(0, 40, (60, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    standing = duplicates.representatives(40, pairs)
    known = set(map(tuple, pairs.tolist()))
    for member, representative in enumerate(standing.tolist()):
        if member != representative:
            assert tuple(sorted((member, representative))) in known
        assert standing[representative] == representative
