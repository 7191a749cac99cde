"""Near duplicates on real pictures: which planted ones are found, and which are false.

    python benchmarks/planted_leaks.py --records data/records/fer2013/1.0.0 [--out DIR]

1. Planted leaks. Of the pictures of a built source 100 are chosen for each kind of
   change, and their changed copies are put into a cleaning of the whole source, as test
   pictures. A copy is found where it is put into one group with its original.
2. False merges. The 2,000 nearest of the pairs that were confirmed (without exact
   ones), and the 2,000 farthest, are judged by another test than the one that ships:
   SIFT key points of both pictures, matched, must agree on one similarity transform.
   What that test says of pairs that are certainly different is printed beside it.
3. Groups. Every member must match the one that stands for it, and the ten largest are
   shown.

With `--out`, pictures of the pairs that the other test doubts, and of the ten largest
groups, are written there to be looked at. They show people's faces: keep them private.
"""

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from fer_tf import picture
from fer_tf import quiet

quiet.import_tensorflow()

from fer_tf.data import records  # noqa: E402
from fer_tf.manifest import duplicates  # noqa: E402
from fer_tf.manifest import hashes  # noqa: E402
from fer_tf.manifest.clean import SKETCH  # noqa: E402
from fer_tf.manifest.clean import clusters  # noqa: E402
from fer_tf.manifest.clean import duplicate_pairs  # noqa: E402
from fer_tf.manifest.clean import groups  # noqa: E402
from fer_tf.manifest.clean import look_at  # noqa: E402
from fer_tf.manifest.sketches import Sketches  # noqa: E402
from fer_tf.sources import Record  # noqa: E402

EACH = 100
JUDGED = 2000
PLANTED = "planted"
# The other test: so many times the pictures are enlarged, so far a key point may be
# from where the transform puts it (in pixels of the enlarged picture), and so many must
# agree.
ENLARGED, NEAR_PX, AGREEING = 4, 6.0, 12


def main() -> None:
    """Print the three parts."""
    options = _options()
    originals = [each for each in records.read(options.records) if _is_usable(each)]
    planted = dict(_plant(originals))
    with Sketches() as sketches:
        everything = [*originals, *(record for record, _ in planted.values())]
        table = look_at(everything, sketches)
        pairs = duplicate_pairs(table, sketches)
        table["duplicate_of"] = clusters(table, pairs)
        table["group"] = groups(table)
        _print_recall(table, planted)
        _print_false_merges(table, pairs, sketches, originals, options.out)
        _print_groups(table, sketches, originals, options.out)


def _shift(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Return the face without up to two of 48 pixels on each side, at least one."""
    unit = face.shape[0] / 48
    cut = rng.integers(0, 3, 4)
    cut[rng.integers(4)] = 2
    top, bottom, left, right = (int(round(each * unit)) for each in cut)
    height, width = face.shape[:2]
    return face[top : height - bottom, left : width - right]


def _brightness(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    levels = face * rng.uniform(0.7, 1.3) + rng.uniform(-30, 30)
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def _jpeg(quality: int) -> Callable:
    def change(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
        data = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(data, cv2.IMREAD_COLOR)

    return change


def _resized(*sides: int) -> Callable:
    def change(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
        for side in sides:
            shrinks = side < face.shape[0]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
            face = cv2.resize(face, (side, side), interpolation=how)
        return face

    return change


def _grey(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Return a tinted face made grey: what FER2013 did to pictures from the web."""
    tinted = np.clip(face * rng.uniform(0.8, 1.2, 3), 0, 255).astype(np.uint8)
    return np.dstack([cv2.cvtColor(tinted, cv2.COLOR_RGB2GRAY)] * 3)


KINDS: dict[str, tuple[float, Callable]] = {
    "copy": (0.99, lambda rng, face: face),
    "JPEG 50": (0.99, _jpeg(50)),
    "JPEG 75": (0.99, _jpeg(75)),
    "JPEG 95": (0.99, _jpeg(95)),
    "48 to 112": (0.99, _resized(112)),
    "48 to 224": (0.99, _resized(224)),
    "48 to 112 to 48": (0.99, _resized(112, 48)),
    "48 to 224 to 48": (0.99, _resized(224, 48)),
    "crop of up to 2 px": (0.95, _shift),
    "mirror": (0.95, lambda rng, face: np.ascontiguousarray(face[:, ::-1])),
    "brightness": (0.95, _brightness),
    "grey": (0.95, _grey),
}


def _plant(originals: list[Record]) -> Iterator[tuple[str, tuple[Record, str]]]:
    """Yield the key of each planted record, the record, and its original's key."""
    rng = np.random.default_rng(0)
    for kind, (_, change) in KINDS.items():
        for row in rng.choice(len(originals), EACH, replace=False):
            original = originals[row]
            changed = change(rng, picture.decode(original.image))
            key = f"{PLANTED}/{kind}/{row}"
            image = picture.encode_png(changed)
            record = Record(key, image, "Happy", "", (0.0,) * 7, "test")
            yield key, (record, original.key)


def _print_recall(table, planted: dict[str, tuple[Record, str]]) -> None:
    group = table.set_index("key")["group"]
    print("| planted | found | aim |\n|---|---|---|")
    for kind, (aim, _) in KINDS.items():
        found = [
            group[key] == group[original]
            for key, (_, original) in planted.items()
            if key.split("/")[1] == kind
        ]
        print(f"| {kind} | {sum(found)} of {len(found)} | {aim:.0%} |")


def _print_false_merges(
    table, pairs: np.ndarray, sketches: Sketches, originals: list[Record], out
) -> None:
    """Judge confirmed pairs of the source itself by the other test."""
    real = ~table["key"].str.startswith(PLANTED).to_numpy()
    pairs = pairs[real[pairs].all(axis=1)]
    likeness = np.array([_likeness(table, pair, sketches) for pair in pairs])
    order = np.argsort(-likeness)
    faces = _Faces(table, originals)
    rng = np.random.default_rng(1)
    strangers = rng.choice(np.flatnonzero(real & (table[SKETCH] >= 0)), (JUDGED, 2))
    print(f"\n{len(pairs):,} near pairs were confirmed.")
    print("\n| pairs | doubted by the other test |\n|---|---|")
    for name, chosen in {
        f"{JUDGED:,} nearest": pairs[order[:JUDGED]],
        f"{JUDGED:,} farthest": pairs[order[-JUDGED:]],
        f"{JUDGED:,} at random, not confirmed": strangers,
    }.items():
        doubted = [pair for pair in chosen if not faces.agree(*pair)]
        share = len(doubted) / len(chosen)
        print(f"| {name} | {len(doubted):,} of {len(chosen):,} ({share:.2%}) |")
        if out and chosen is not strangers:
            faces.draw(out / f"doubted {name}.png", doubted[:96], columns=8)


def _likeness(table, pair: np.ndarray, sketches: Sketches) -> float:
    first, second = sketches.thumbs(table[SKETCH].to_numpy()[pair])
    mirrored = np.ascontiguousarray(first[:, ::-1])
    return max(
        duplicates.similarity(*both)
        for one in (first, mirrored)
        for both in ((one, second), (second, one))
    )


class _Faces:
    """The pictures by row of the table, and the other test between two of them."""

    def __init__(self, table, originals: list[Record]) -> None:
        self.keys = table["key"].to_numpy()
        self.images = {record.key: record.image for record in originals}
        self.sift = cv2.SIFT_create(contrastThreshold=0.01)
        self.matcher = cv2.BFMatcher(cv2.NORM_L2)

    def face(self, row: int) -> np.ndarray:
        return picture.decode(self.images[self.keys[row]])

    def agree(self, first: int, second: int) -> bool:
        """Tell whether key points agree on one similarity transform, or mirrored."""
        one, other = self._enlarged(first), self._enlarged(second)
        mirrored = np.ascontiguousarray(other[:, ::-1])
        return max(self._agreeing(one, other), self._agreeing(one, mirrored)) >= (
            AGREEING
        )

    def _enlarged(self, row: int) -> np.ndarray:
        grey = cv2.cvtColor(self.face(row), cv2.COLOR_RGB2GRAY)
        return cv2.resize(
            cv2.equalizeHist(grey), None, fx=ENLARGED, fy=ENLARGED, interpolation=2
        )

    def _agreeing(self, one: np.ndarray, other: np.ndarray) -> int:
        (points, features), (others, other_features) = (
            self.sift.detectAndCompute(each, None) for each in (one, other)
        )
        if features is None or other_features is None or len(other_features) < 2:
            return 0
        matches = self.matcher.knnMatch(features, other_features, k=2)
        good = [a for a, b in matches if a.distance < 0.85 * b.distance]
        if len(good) < 3:
            return 0
        here = np.float32([points[match.queryIdx].pt for match in good])
        there = np.float32([others[match.trainIdx].pt for match in good])
        _, inside = cv2.estimateAffinePartial2D(
            here, there, ransacReprojThreshold=NEAR_PX
        )
        return int(inside.sum()) if inside is not None else 0

    def draw(self, path: Path, groups_of_rows: list, columns: int) -> None:
        """Write a sheet of groups of faces side by side."""
        if not groups_of_rows:
            return
        strips = [
            np.hstack([cv2.resize(self.face(row), (96, 96)) for row in rows])
            for rows in groups_of_rows
        ]
        width = max(strip.shape[1] for strip in strips) + 12
        cells = [
            cv2.copyMakeBorder(
                strip, 0, 8, 0, width - strip.shape[1], 0, value=(255,) * 3
            )
            for strip in strips
        ]
        blank = np.full_like(cells[0], 255)
        cells += [blank] * (-len(cells) % columns)
        sheet = np.vstack(
            [np.hstack(cells[n : n + columns]) for n in range(0, len(cells), columns)]
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture.encode_png(sheet))


def _print_groups(table, sketches: Sketches, originals: list[Record], out) -> None:
    real = table[~table["key"].str.startswith(PLANTED)]
    members = real[(real["duplicate_of"] != "") & (real[SKETCH] >= 0)]
    known = table.set_index("key")
    chained = [
        row["key"]
        for _, row in members.iterrows()
        if row["sha256"] != known.at[row["duplicate_of"], "sha256"]
        and not _is_one(sketches, row[SKETCH], known.at[row["duplicate_of"], SKETCH])
    ]
    print(
        f"\n{len(members):,} pictures are duplicates of one that stands for them; "
        f"{len(chained)} of them do not match it."
    )
    sizes = real["group"].value_counts()[:10]
    print("\n| largest groups | rows |\n|---|---|")
    for name, rows in sizes.items():
        print(f"| {name} | {rows} |")
    if out:
        rows = [real.index[real["group"] == name][:16] for name in sizes.index]
        _Faces(table, originals).draw(out / "largest groups.png", rows, columns=1)


def _is_one(sketches: Sketches, first: int, second: int) -> bool:
    one, other = sketches.thumbs(np.array([first, second]))
    mirrored = np.ascontiguousarray(one[:, ::-1])
    return duplicates.is_one(one, other) or duplicates.is_one(mirrored, other)


def _is_usable(record: Record) -> bool:
    return float(hashes.thumbnail(picture.decode(record.image)).std()) > 5


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
