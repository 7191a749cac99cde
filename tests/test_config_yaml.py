"""YAML that is well formed and no value, keys given twice, and names of folders."""

import itertools
import random

import pytest

from fer_tf import config as configs
from fer_tf.config import loading
from fer_tf.config import yaml_text
from fer_tf.errors import UserError
from fer_tf.evaluation import gate
from fer_tf.sources import pictures

# Each is YAML, but PyYAML ends in something else than a YAMLError, or later code would.
NO_VALUE = {
    "impossible date": "2020-13-45",
    "impossible hour": "2020-01-01T99:99:99Z",
    "impossible zone": "2020-01-01 00:00:00 +99:99",
    "tag int": "!!int abc",
    "tag int of nothing": "!!int ''",
    "tag float": "!!float abc",
    "tag bool": "!!bool abc",
    "tag timestamp": "!!timestamp abc",
    "tag binary": "!!binary é",
    "tag unknown": "!!python/object:os.system x",
    "tag value": "= ",
    "5,000 digits": "9" * 5000,
    "5,000 hexadecimal digits": "0x" + "f" * 5000,
    "5,000 levels": "[" * 5000,
    "5,000 closed levels": "[" * 5000 + "]" * 5000,
    "100 levels": "[" * 100 + "]" * 100,
    "a cycle": "&a [*a]",
    "two documents": "--- 1\n--- 2\n",
    "NUL": '"a\\0b"',
    "control character": "\x07",
    "unclosed": "{",
    "key twice": "{a: 1, a: 2}",
    "key twice, quoted": "{a: 1, 'a': 2}",
    "key twice, deep": "[{b: [{c: 1, c: 1}]}]",
    "aliases of aliases": "[&a [1,1,1,1,1,1,1,1,1,1],"
    "&b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a],"
    "&c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b], &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c],"
    "&e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]]",
}
# Values for keys of any type; most are wrong for most keys.
ODD = [
    *NO_VALUE.values(),
    *("", "~", "true", "no", "-1", "0", "1", "1.5", "1e-3", "1e999", ".nan", "-.inf"),
    *("1:30", "1_000", "0o17", "2020-01-01", "text", "'\\'", "ключ", "../../x", "a b"),
    *("[]", "{}", "[1, 2]", "{a: 1}", "[[]]", "{1: 2}", "{? [1] : 2}", "[a, {b: c}]"),
    *("!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!null x", "{<<: 3}"),
    *("18446744073709551615", "18446744073709551616", "x" * 300, "=x", "-x", "CON"),
]


def cases():
    """Every key of a config, and some that it does not have, with every odd value."""
    keys = [*loading.all_keys(), "nothing", "data.nothing", "seed.deep", "a..b", "."]
    return list(itertools.product(keys, ODD))


def outcome(overrides):
    """Return "read", "refused", or what escaped."""
    try:
        configs.load(None, overrides)
    except UserError as error:
        return "refused" if len(str(error)) < 3000 else f"{len(str(error))} characters"
    except Exception as error:  # A fuzz test names what it found.
        return repr(error)[:80]
    return "read"


@pytest.mark.parametrize("text", NO_VALUE.values(), ids=NO_VALUE)
def test_what_is_no_value_is_the_users_mistake(text, tmp_path):
    with pytest.raises(UserError, match=r"\bseed\b"):
        configs.load(None, [f"seed={text}"])
    path = tmp_path / "c.yaml"
    path.write_text(f"seed: {text}\n", encoding="utf-8")
    for read in (configs.load, gate.load_rules):
        with pytest.raises(UserError, match="c.yaml"):
            read(path)


def test_a_key_given_twice_is_named_with_its_line(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("seed: 1\nface: {size: 48}\nseed: 2\n")
    with pytest.raises(UserError, match=r"c\.yaml.*'seed'.*\b3\b"):
        configs.load(path)


def test_a_merged_key_may_be_given_again(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("augment: {<<: {shift: 0}, shift: 0.1}\n")
    assert configs.load(path).augment.shift == 0.1


def test_aliases_are_separate_values(tmp_path):
    """An override of one must not change the other."""
    path = tmp_path / "c.yaml"
    path.write_text(
        "student: {model: {name: resnet18}, train: &t {epochs: 2}}\n"
        "distill: {kd: {train: *t}}\n"
    )
    config = configs.load(path, ["student.train.epochs=7"])
    assert (config.student.train.epochs, config.distill.kd.train.epochs) == (7, 2)


@pytest.mark.parametrize("content", [b"caf\xe9: 1", b"\xff\xfe", b"\x80"])
def test_a_file_that_is_not_text_is_named(tmp_path, content):
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match="c.yaml"):
        configs.load(path)


@pytest.mark.parametrize("text", ["false", "0", "''", "[]"])
def test_a_value_that_is_false_is_not_an_empty_config(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match="c.yaml"):
        configs.load(path)
    path.write_text("# nothing\n")
    assert configs.load(path) == configs.Config()


def test_odd_overrides_are_read_or_refused():
    # PyYAML takes a tenth of a second for thousands of levels.
    quick = [case for case in cases() if len(case[1]) < 5000]
    sample = random.Random(0).sample(quick, 200)
    found = {f"{key}={value}": outcome([f"{key}={value}"]) for key, value in sample}
    assert {*found.values()} == {"read", "refused"}, {
        override[:60]: what
        for override, what in found.items()
        if what not in ("read", "refused")
    }


@pytest.mark.slow
def test_all_odd_overrides_are_read_or_refused():
    found = {f"{key}={value}": outcome([f"{key}={value}"]) for key, value in cases()}
    assert len(found) > 3456
    assert {*found.values()} == {"read", "refused"}, {
        override[:60]: what
        for override, what in found.items()
        if what not in ("read", "refused")
    }


@pytest.mark.parametrize(
    ("override", "suggestion"),
    [
        ("smoothing_ms=0", "live.smoothing_ms"),
        ("smothing_ms=0", "live.smoothing_ms"),
        ("epochs=3", "train.epochs"),
        ("size=64", "face.size"),
        ("live.sources=3", "data.sources"),
        ("distill.dkd.bta=1", "distill.dkd.beta"),
    ],
)
def test_a_key_without_its_section_is_suggested_with_it(override, suggestion):
    with pytest.raises(UserError) as raised:
        configs.load(None, [override])
    assert raised.value.suggestion == suggestion


# What no system, or not every system, allows as the name of one folder.
NO_FILE_NAME = [
    *("", ".", "..", "../x", "../../x", "a/b", "/x", "a\\b", "C:x", "a:b", "a*", "a?"),
    *("x.", "x ", " x", ".x", "-x", "~", "con", "NUL", "nul.txt", "Com1", "LPT9.a.b"),
    *("a\tb", "a\nb", "a\x1b[31mb", "a\u202eb", "a<b", 'a"b', "a|b", "x" * 81),
    *("=x", "+x", "@x", "COM¹", "é" * 81),
]


@pytest.mark.parametrize("name", NO_FILE_NAME, ids=ascii)
def test_a_name_is_one_file_name(name):
    for make in (
        lambda: configs.Config(experiment=name),
        lambda: configs.DataConfig(sources=(name,)),
        lambda: configs.ModelConfig(name),
        lambda: pictures.check_name(name),
    ):
        with pytest.raises(UserError):
            make()


@pytest.mark.parametrize(
    "name",
    ["quickstart", "laptop-1", "a.b", "7", "größe 48", "Console", "com10", "x" * 80],
)
def test_usual_names_are_allowed(name):
    assert configs.Config(experiment=name).experiment == name


def test_values_in_messages_are_short():
    assert len(yaml_text.brief({"a": ["x" * 10_000] * 10_000})) < 1000
