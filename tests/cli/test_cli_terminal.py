"""No name gives the terminal orders, and no name is read as rich's markup."""

import io
import logging
import os
import re
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.table import Table

from fer_tf import files
from fer_tf import quiet
from fer_tf.cli import main
from fer_tf.cli import terminal

CLI = Path(terminal.__file__).parent
RED = "\x1b[31m"
# Control characters (C0, DEL, C1), marks that turn the order of letters, separators.
UNSAFE = (
    "\x00\x07\x08\r\x1b\x7f\x85\x9b"
    "\u061c\u200e\u202e\u2066\u2028\u2029\ufeff\udce9"
)


@pytest.mark.parametrize("letter", UNSAFE, ids=ascii)
def test_an_unsafe_letter_is_written_as_an_escape(letter):
    shown = terminal.printable(f"a{letter}b")
    assert shown == "a" + letter.encode("unicode_escape").decode() + "b"
    assert shown.isascii() and shown.isprintable()


@pytest.mark.parametrize(
    "text", ["", "a b", "größe.jpg", "日本.png", "👩\u200d💻.png", "[red]", "a\\x1bb"]
)
def test_other_text_stays(text):
    assert terminal.printable(text) == terminal.one_line(text) == text


def test_line_breaks_stay_in_text_and_not_in_names():
    assert terminal.printable("a\n\tb") == "a\n\tb"
    assert terminal.one_line("a\n\tb") == "a\\n\\tb"


def test_markup_in_a_name_is_text():
    table = Table("name")
    table.add_row(terminal.cell(f"[red]{RED}x[/red]"))
    console = Console(file=io.StringIO(), width=60, force_terminal=True)
    console.print(table)
    assert "[red]\\x1b[31mx[/red]" in console.file.getvalue()


def test_the_log_is_escaped():
    record = logging.LogRecord("", 30, "", 1, "%s: no face", (f"{RED}\nx",), None)
    assert terminal.LogFormatter("%(message)s").format(record) == (
        "\\x1b[31m\\nx: no face"
    )


NAMES = [f"{RED}x", "a\nerror: done", "\u202egnp.exe"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize(
    "line",
    [
        "NAME",
        "--NAME",
        "live --NAME",
        "live --source NAME --headless",
        "live --bundle NAME",
        "live --config NAME",
        "live NAME",
        "live live.NAME=3",
        "predict NAME --cropped --out faces.csv",
        "predict face.png --out NAME",
        "score NAME",
        "compare NAME face.png",
        "gate NAME NAME",
        "results NAME",
        "calibrate experiment=NAME",
        "calibrate calibrate.method=NAME",
    ],
)
def test_a_name_is_escaped_in_every_message(tmp_path, monkeypatch, line, name):
    monkeypatch.chdir(tmp_path)
    Path("face.png").write_bytes(b"")
    words = [word.replace("NAME", name) for word in line.split()]
    result = CliRunner().invoke(main, words)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    text = result.output.replace("\n", "")
    assert terminal.printable(text) == text
    assert "\nerror: done" not in result.output


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such names")
def test_a_name_is_escaped_where_a_command_says_what_it_did(tmp_path):
    image, out = tmp_path / f"{RED}.png", tmp_path / f"{RED}.csv"
    cv2.imwrite(str(tmp_path / "a.png"), np.full((48, 48, 3), 128, np.uint8))
    (tmp_path / "a.png").rename(image)
    done = CliRunner().invoke(
        main, ["predict", str(image), "--cropped", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert "\\x1b[31m.csv" in done.output and "\x1b" not in done.output


def test_a_path_that_is_a_formula_is_written_as_the_same_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("=1+1.png", "@a.png", "plain.png"):
        cv2.imwrite("x.png", np.full((48, 48, 3), 128, np.uint8))
        Path("x.png").rename(name)
    names = ["=1+1.png", "@a.png", "plain.png"]
    done = CliRunner().invoke(main, ["predict", *names, "--cropped", "--out", "f.csv"])
    assert done.exit_code == 0, done.output
    rows = Path("f.csv").read_text().splitlines()[1:]
    assert [row.partition(",")[0] for row in rows] == [
        "./=1+1.png",
        "./@a.png",
        "plain.png",
    ]
    assert all(Path(row.partition(",")[0]).exists() for row in rows)


def test_commands_print_through_the_terminal_module_alone():
    for path in CLI.glob("*.py"):
        if path.name != "terminal.py":
            text = path.read_text()
            assert not re.search(r"click\.(echo|secho)\(|\bprint\(", text), path.name


def test_usage_errors_without_a_message_stay():
    with pytest.raises(click.ClickException), terminal.escaped_usage_errors():
        raise click.MissingParameter(param_type="option", param_hint="--x")


@pytest.mark.skipif(os.name != "posix", reason="has devices")
def test_a_device_is_not_replaced_by_a_file(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path):
        with pytest.raises(ValueError, match=re.escape(str(path))):
            files.write_text(path, "x")
    assert fifo.is_fifo()


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "target")
    files.write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "deep" / "target").read_text() == "x"


def test_a_closed_standard_error_is_no_fault(monkeypatch):
    """`fer-tf predict ... 2>&-` starts Python without one."""
    monkeypatch.setattr("sys.stderr", None)
    with quiet.unless_it_fails():
        pass
