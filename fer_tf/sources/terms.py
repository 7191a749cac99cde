"""Under which terms each corpus may be used, in its publisher's sense."""

from collections.abc import Mapping

TERMS: Mapping[str, str] = {
    "drawn_faces": "drawn by this program; nobody's picture, free for any use",
    "fer2013": (
        "the ICML 2013 challenge's pictures, found by web search; research use, "
        "no redistribution of the pictures"
    ),
}
UNKNOWN = "terms unknown: ask whoever published it"
