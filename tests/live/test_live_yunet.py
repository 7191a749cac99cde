"""YuNet's decoding, and where its file comes from; no network is ever used."""

import hashlib
import pickle
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_tf.errors import OutsideError
from fer_tf.errors import UserError
from fer_tf.live import yunet
from fer_tf.live import yunet_model

CONTENT = b"an ONNX file, as far as these tests go"


@pytest.fixture(autouse=True)
def published(monkeypatch):
    """Let `CONTENT` be what the publisher publishes."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(yunet_model, "SHA256", digest)
    monkeypatch.setattr(yunet_model.sys, "platform", "linux")


@pytest.fixture
def home(tmp_path):
    """An environment whose cache is empty."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


class Publisher:
    """Stands for the publisher: answers with `content`, or raises it."""

    def __init__(self, content=CONTENT):
        self.content = content
        self.urls = []

    def __call__(self, url):
        self.urls.append(url)
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


def test_the_model_is_fetched_once_and_then_found_in_the_cache(home, tmp_path):
    publisher = Publisher()
    first = yunet_model.find(environment=home, fetch=publisher)
    second = yunet_model.find(environment=home, fetch=publisher)
    assert first == second == tmp_path / "cache" / "fer-tf" / yunet_model.FILE_NAME
    assert first.read_bytes() == CONTENT
    assert publisher.urls == [yunet_model.URL]
    assert yunet_model.COMMIT in yunet_model.URL


def test_a_path_comes_before_the_variable_and_the_variable_before_the_cache(
    home, tmp_path
):
    publisher = Publisher()
    paths = [tmp_path / "given.onnx", tmp_path / "named.onnx"]
    for path in paths:
        path.write_bytes(CONTENT)
    environment = home | {yunet_model.VARIABLE: str(paths[1])}
    find = yunet_model.find
    assert find(paths[0], environment=environment, fetch=publisher) == paths[0]
    assert find(environment=environment, fetch=publisher) == paths[1]
    assert publisher.urls == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OSError("no route"), "no route.*https://"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"\0" * (yunet_model.MAX_BYTES + 1), "1,000,000"),
        (b"<html>Sign in</html>", "SHA-256"),
    ],
)
def test_a_failed_fetch_says_which_file_goes_where(home, tmp_path, content, message):
    with pytest.raises(OutsideError, match=message) as raised:
        yunet_model.find(environment=home, fetch=Publisher(content))
    says = str(raised.value)
    place = tmp_path / "cache" / "fer-tf" / yunet_model.FILE_NAME
    for needed in (yunet_model.URL, yunet_model.SHA256, str(place)):
        assert needed in says
    assert "--detector-model" in says and "FER_TF_DETECTOR" in says
    assert not place.exists()


def test_every_origin_is_checked(home, tmp_path):
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(CONTENT + b"!")
    with pytest.raises(UserError, match="SHA-256"):
        yunet_model.find(damaged, environment=home)
    cached = yunet_model.find(environment=home, fetch=Publisher())
    cached.write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match="SHA-256"):
        yunet_model.find(environment=home, fetch=Publisher())


def test_a_missing_file_is_not_fetched_behind_the_users_back(home, tmp_path):
    publisher = Publisher()
    with pytest.raises(UserError, match=r"typo\.onnx"):
        yunet_model.find(tmp_path / "typo.onnx", environment=home, fetch=publisher)
    assert publisher.urls == []


def test_one_anchor_decoded_by_hand():
    # Stride 16, three columns; the anchor is cell 5: column 2, row 1.
    outputs = {
        "cls_16": np.zeros((1, 6, 1), np.float32),
        "obj_16": np.zeros((1, 6, 1), np.float32),
        "bbox_16": np.zeros((1, 6, 4), np.float32),
        "kps_16": np.zeros((1, 6, 10), np.float32),
    }
    outputs["cls_16"][0, 5] = 0.81
    outputs["obj_16"][0, 5] = 1.5
    outputs["bbox_16"][0, 5] = [0.5, 0.25, np.log(2), np.log(4)]
    outputs["kps_16"][0, 5] = np.arange(10) / 10
    (row,) = yunet.decode(outputs, stride=16, columns=3, least_score=0.65)
    # Centre (2.5, 1.25) * 16 = (40, 20), sides 32 and 64; obj is clipped to 1.
    np.testing.assert_allclose(row[:4], [40 - 16, 20 - 32, 32, 64], rtol=1e-6)
    landmarks = 16 * (np.array([2, 1] * 5) + np.arange(10) / 10)
    np.testing.assert_allclose(row[4:14], landmarks, rtol=1e-6)
    assert row[14] == pytest.approx(0.9)


def test_of_overlapping_faces_the_best_is_kept():
    rows = np.zeros((3, 15), np.float32)
    rows[:, :4] = [[0, 0, 100, 100], [10, 0, 100, 100], [200, 0, 100, 100]]
    rows[:, 14] = [0.7, 0.9, 0.8]
    kept = yunet.suppress(rows, 0.65)
    assert sorted(kept[:, 0].tolist()) == [10, 200]
    assert yunet.suppress(rows[:0], 0.65).shape == (0, 15)


def test_the_longer_side_gets_its_length():
    frame = np.zeros((300, 1000, 3), np.uint8)
    small, scale = yunet.resize(frame, 640)
    assert small.shape == (192, 640, 3)
    np.testing.assert_allclose(scale, [0.64, 0.64])
    same, scale = yunet.resize(frame, 1000)
    assert same is frame
    assert scale.tolist() == [1, 1]


class Looks(yunet.YuNet):
    """A network that finds one face, in frames that are wide enough."""

    def __init__(self, side_px, finds_from_px):
        super().__init__(Path(__file__), side_px=side_px, score=0.65)
        self.finds_from_px = finds_from_px
        self.widths = []

    def _rows(self, frame):
        self.widths.append(frame.shape[1])
        rows = np.full((1, 15), frame.shape[1] / 4, np.float32)
        return rows if frame.shape[1] >= self.finds_from_px else rows[:0]


@pytest.mark.parametrize(
    ("width", "finds_from_px", "looked_at", "found"),
    [
        (2000, 640, [640], 1),
        (2000, 700, [640, 1280], 1),
        (2000, 1500, [640, 1280], 0),
        (100, 150, [100, 200], 1),
        (7680, 9999, [640, 1280], 0),
    ],
)
def test_where_no_face_is_found_it_looks_once_more(
    width, finds_from_px, looked_at, found
):
    looks = Looks(640, finds_from_px)
    faces = looks(np.zeros((width // 2, width, 3), np.uint8))
    assert looks.widths == looked_at
    assert len(faces) == found
    for face in faces:
        np.testing.assert_allclose(face.box_xywh_px, width / 4)


class Crowd(yunet.YuNet):
    """A network that finds faces of 30 pixels or more in its input, and its calls.

    The image's faces are given as boxes; each is found with the score of its pass.
    """

    def __init__(self, faces, width):
        super().__init__(Path(__file__), side_px=640, score=0.65)
        self.faces = np.array(faces, float)
        self.width = width
        self.widths = []

    def _rows(self, frame):
        self.widths.append(frame.shape[1])
        scaled = self.faces * frame.shape[1] / self.width
        rows = np.zeros((len(scaled), 15))
        rows[:, :4] = scaled
        rows[:, 14] = 0.6 + 0.1 * len(self.widths)
        return rows[scaled[:, 2] >= 30].astype(np.float32)


# One large face, and a row of small ones.
LARGE = [100, 100, 400, 400]
SMALL = [[60 * n + 20, 600, 45, 45] for n in range(20)]


@pytest.mark.parametrize(
    ("width", "faces", "widths", "found"),
    [
        # Shrunk: the second pass sees the image at its own size, up to four times.
        (1280, [LARGE, *SMALL], [640, 1280], 21),
        (1920, [LARGE, *SMALL], [640, 1920], 21),
        (6400, [LARGE, *SMALL], [640, 2560], 1),
        # Not shrunk: there is nothing that the first pass did not see,
        (600, [LARGE], [600], 1),
        (640, [LARGE], [640], 1),
        # unless it found no face.
        (600, [[100, 100, 16, 16]], [600, 1200], 1),
        (800, [[100, 100, 20, 20]], [640, 1280], 1),
        (4000, [[100, 100, 60, 60]], [640, 2560], 1),
        (600, [], [600, 1200], 0),
    ],
)
def test_one_large_face_does_not_hide_small_ones(width, faces, widths, found):
    crowd = Crowd(np.reshape(faces, (-1, 4)), width)
    detections = crowd.detect_image(np.zeros((width * 3 // 4, width, 3), np.uint8))
    assert crowd.widths == widths
    assert len(detections) == found
    expected = np.array(faces[:found], float).reshape(-1, 4)
    received = np.array([face.box_xywh_px for face in detections]).reshape(-1, 4)
    order = np.lexsort((received[:, 0], -received[:, 2]))
    np.testing.assert_allclose(received[order], expected, atol=0.01)


def test_a_frame_of_a_video_has_no_pass_more_than_one_that_finds_a_face():
    crowd = Crowd([LARGE, *SMALL], 1280)
    assert len(crowd(np.zeros((960, 1280, 3), np.uint8))) == 1
    assert crowd.widths == [640]


def mosaic(shared, seed, cell_px):
    """Return 9 x 6 press photographs of 64 px in cells, and each one's middle."""
    noise = np.random.default_rng(seed)
    with zipfile.ZipFile(shared / "data" / "wild" / "faces.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        chosen = noise.choice(sorted(names), 54, replace=False)
        faces = [np.frombuffer(archive.read(name), np.uint8) for name in chosen]
    image = np.full((6 * cell_px, 9 * cell_px, 3), 127, np.uint8)
    middles = []
    for place, face in enumerate(faces):
        row, column = divmod(place, 9)
        y, x = row * cell_px, column * cell_px
        face = cv2.imdecode(face, cv2.IMREAD_COLOR)
        image[y:y + 64, x:x + 64] = cv2.resize(
            face, (64, 64), interpolation=cv2.INTER_AREA
        )
        middles.append((x + 32, y + 32))
    return image, np.array(middles)


@pytest.mark.shared
@pytest.mark.parametrize("cell_px", [64, 213])
def test_a_crowd_is_found(shared, detector_model, cell_px):
    image, middles = mosaic(shared, 0, cell_px)
    for detector in detectors(detector_model, side_px=640, score=0.65):
        boxes = sorted_boxes(detector.detect_image(image))
        centres = boxes[:, :2] + boxes[:, 2:] / 2
        apart = np.abs(middles[:, None] - centres).max(axis=2)
        assert (apart.min(axis=1) < 20).sum() >= 50
        assert len(boxes) <= 54


def photograph(shared, name="obama_and_biden.jpg"):
    path = shared / "media" / name
    if not path.exists():
        pytest.skip(f"no {path}")
    return cv2.imread(str(path))


def sorted_boxes(detections):
    boxes = np.array([found.box_xywh_px for found in detections]).reshape(-1, 4)
    return boxes[np.argsort(boxes[:, 0])]


@pytest.mark.shared
@pytest.mark.parametrize("size", [(640, 480), (596, 336), (1000, 714), (333, 457)])
def test_onnxruntime_and_opencv_find_the_same_boxes(shared, detector_model, size):
    pytest.importorskip("onnxruntime")
    frame = cv2.resize(photograph(shared), size)
    onnx = yunet.OnnxYuNet(detector_model, side_px=640, score=0.65, threads=1)(frame)
    opencv = yunet.OpenCvYuNet(detector_model, side_px=640, score=0.65)(frame)
    assert len(onnx) >= 2
    np.testing.assert_allclose(sorted_boxes(onnx), sorted_boxes(opencv), atol=1)
    for ours, theirs in zip(
        sorted(onnx, key=lambda found: found.box_xywh_px[0]),
        sorted(opencv, key=lambda found: found.box_xywh_px[0]),
        strict=True,
    ):
        np.testing.assert_allclose(ours.landmarks_px, theirs.landmarks_px, atol=1)
        assert ours.score == pytest.approx(theirs.score, abs=0.01)


class SlowNetwork:
    """Stands for `cv2.FaceDetectorYN`: one input size, and time to change it."""

    def __init__(self):
        self.size = None
        self.threads = set()

    def setInputSize(self, size):
        self.size = size

    def detect(self, frame):
        self.threads.add(threading.get_ident())
        time.sleep(0.0005)
        if self.size != frame.shape[1::-1]:
            raise cv2.error("the input has another size")
        rows = np.full((int(frame[0, 0, 0]), 15), self.size[0], np.float32)
        rows[:, 14] = 0.9
        return 1, rows if len(rows) else None


def test_threads_that_share_opencvs_detector_get_the_faces_of_their_own_frame(
    tmp_path, monkeypatch
):
    network = SlowNetwork()
    monkeypatch.setattr(
        yunet.cv2.FaceDetectorYN, "create", lambda *arguments: network
    )
    model = tmp_path / "yunet.onnx"
    model.write_bytes(CONTENT)
    detector = yunet.OpenCvYuNet(model, side_px=640, score=0.65)
    frames = [np.full((40, 64 + 8 * n, 3), n, np.uint8) for n in range(5)] * 40
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(detector, frames))
    assert len(network.threads) > 1
    for frame, faces in zip(frames, found, strict=True):
        assert len(faces) == frame[0, 0, 0]
        # The stand-in finds faces as wide as the network's input.
        assert all(face.box_xywh_px[2] == frame.shape[1] for face in faces)


def test_a_missing_model_file_is_named(tmp_path):
    with pytest.raises(UserError, match="nosuch.onnx"):
        yunet.OpenCvYuNet(tmp_path / "nosuch.onnx", side_px=640, score=0.65)


def detectors(model, side_px=320, score=0.6):
    settings = {"side_px": side_px, "score": score}
    found = [yunet.OpenCvYuNet(model, **settings)]
    if yunet.importlib.util.find_spec("onnxruntime"):
        found.append(yunet.OnnxYuNet(model, threads=2, **settings))
    return found


@pytest.mark.shared
def test_threads_that_share_a_detector_find_what_one_finds(shared, detector_model):
    photo = photograph(shared)
    frames = [cv2.resize(photo, size) for size in [(320, 228), (200, 300), (90, 60)]]
    frames.append(np.full((100, 140, 3), 127, np.uint8))
    for detector in detectors(detector_model):
        expected = [sorted_boxes(detector(frame)) for frame in frames]
        assert len({len(boxes) for boxes in expected}) > 1
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(detector, frames * 20))
        for boxes, faces in zip(expected * 20, found, strict=True):
            np.testing.assert_array_equal(sorted_boxes(faces), boxes)


@pytest.mark.shared
def test_a_pickled_detector_finds_the_same_faces(shared, detector_model, tmp_path):
    frame = cv2.resize(photograph(shared), (400, 286))
    for detector in detectors(detector_model):
        again = pickle.loads(pickle.dumps(detector))
        assert type(again) is type(detector)
        assert vars(again).keys() == vars(detector).keys()
        assert again._options() == detector._options()
        np.testing.assert_array_equal(
            sorted_boxes(again(frame)), sorted_boxes(detector(frame))
        )


@pytest.mark.shared
@pytest.mark.parametrize("size", [(1, 1), (2, 300), (7680, 4320)])
def test_frames_of_any_size_are_looked_at(detector_model, size):
    frame = np.full((*size[::-1], 3), 90, np.uint8)
    assert yunet.load(detector_model)(frame) == []
    assert yunet.OpenCvYuNet(detector_model, side_px=640, score=0.65)(frame) == []


@pytest.mark.shared
def test_boxes_are_in_the_frames_own_pixels(shared, detector_model):
    frame = photograph(shared)
    large = sorted_boxes(yunet.load(detector_model, side_px=640)(frame))
    halved = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    half = sorted_boxes(yunet.load(detector_model, side_px=640)(halved))
    np.testing.assert_allclose(large[:2] / 2, half[:2], rtol=0.05, atol=3)


@pytest.mark.shared
def test_no_face_is_found_where_there_is_none(detector_model):
    blank = np.full((240, 320, 3), 127, np.uint8)
    assert yunet.load(detector_model)(blank) == []
    assert yunet.OpenCvYuNet(detector_model, side_px=640, score=0.65)(blank) == []
