"""Under which terms each corpus may be used, in its publisher's sense."""

from collections.abc import Mapping

RAF = (
    "non-commercial research only, by agreement with the Pattern Recognition and "
    "Intelligent System Laboratory of BUPT; no redistribution"
)
TERMS: Mapping[str, str] = {
    "affectnet": (
        "non-commercial research only, by agreement with Mohammad H. Mahoor's "
        "laboratory at the University of Denver; no redistribution"
    ),
    "drawn_faces": "drawn by this program; nobody's picture, free for any use",
    "expw": (
        "photographs found by web search, which belong to others; non-commercial "
        "research only, on request from the Multimedia Laboratory of CUHK"
    ),
    "fer2013": (
        "the ICML 2013 challenge's pictures, found by web search; research use, "
        "no redistribution of the pictures"
    ),
    "ferplus": (
        "the votes are Microsoft's, under the MIT licence; the pictures are FER2013's: "
        "research use, no redistribution"
    ),
    "rafdb": RAF,
    "rafdb_compound": RAF,
    "rafml": RAF,
}
FREE = ("drawn_faces",)
UNKNOWN = "terms unknown: ask whoever published it"
