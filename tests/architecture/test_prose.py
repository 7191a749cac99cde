"""Tests match data, not sentences: a message may be worded better without a test."""

import ast
import re
from pathlib import Path

import pytest

from fer_tf.labels import CLASSES

TESTS = Path(__file__).parents[1]
MAX_WORDS = 2
# What is quoted is data, and so is a command.
DATA = re.compile(r"`[^`]*`|'[^']*'|fer-tf( data)? [a-z]+( --[a-z]+ [a-z]+)?")
# What a regular expression is made of beside its text.
ESCAPE = re.compile(r"\\(?=\W)")
SYNTAX = re.compile(r"\\[bdsw]|\[\^?.*?\][*+]?|\.[*+]\??|[|^$*+]")
WORD = re.compile(r"(?<!\S)[(]?[A-Za-z]{2,}[,.:;?!)]*(?!\S)")


def words(text):
    """Return the plain words of a text: no number, key, path, command or quotation."""
    found = WORD.findall(SYNTAX.sub(" ", ESCAPE.sub("", DATA.sub(" ", text))))
    return [word for word in found if word.strip("(),.:;?!") not in CLASSES]


def texts(node):
    """Yield the strings of an expression; what an f-string puts in stands as {}."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(
            part.value if isinstance(part, ast.Constant) else "{}"
            for part in node.values
        )
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def matched(node):
    """Yield the expressions that a test function matches text with."""
    for child in ast.walk(node):
        if isinstance(child, ast.keyword) and child.arg == "match":
            yield child.value
        if isinstance(child, ast.Compare) and isinstance(
            child.ops[0], ast.In | ast.NotIn
        ):
            yield child.left


def values_of(name, function):
    """Yield the expressions that a test function's parameter or variable stands for."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)]) if target == name:
                yield node.value
            case ast.Call(
                func=ast.Attribute(attr="parametrize"), args=[names, ast.List(rows), *_]
            ):
                names = [
                    each.strip()
                    for text in texts(names)
                    for each in text.split(",")
                ]
                if name in names:
                    yield from column(rows, names.index(name), len(names))


def column(rows, index, count):
    for row in rows:
        if isinstance(row, ast.Call):
            row = ast.Tuple(row.args) if count > 1 else row.args[0]
        yield row.elts[index] if count > 1 else row


def sentences(source):
    """Yield (line, text) of what a file's tests match that is a sentence."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in matched(function):
            found = [node]
            if isinstance(node, ast.Name):
                found = values_of(node.id, function)
            for each in found:
                for text in texts(each):
                    if len(words(text)) > MAX_WORDS:
                        yield each.lineno, text


def test_no_test_matches_a_sentence():
    offenders = [
        f"{path.relative_to(TESTS)}:{line}: {text}"
        for path in sorted(TESTS.rglob("*.py"))
        if path != Path(__file__)
        for line, text in sentences(path.read_text())
    ]
    assert not offenders, "\n".join(offenders)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('pytest.raises(UserError, match="this is no file")', True),
        ('pytest.raises(UserError, match=f"{x} is no file")', True),
        ('assert "this is no file" in output', True),
        ('assert "this is no file" not in output', True),
        ('says = "this is no file"; raises(match=says)', True),
        (r'pytest.raises(UserError, match=rf"train\.epochs.*{x}, is 3")', False),
        ('pytest.raises(UserError, match="`level`.*\'a b c d\'")', False),
        ('assert "fer-tf data build drawn_faces" in output', False),
        ('text = "this is no file"', False),
    ],
)
def test_a_sentence_is_found(body, found):
    assert bool([*sentences(f"def test():\n    {body}\n")]) is found


def test_a_sentence_among_parameters_is_found():
    source = """
@pytest.mark.parametrize(("one", "says"), [(1, "x"), (2, "this is no file")])
def test(one, says):
    pytest.raises(UserError, match=says)
"""
    assert [*sentences(source)] == [(2, "this is no file")]
