"""One table of errors (proto/errors.def): docs/events.md tells the exit code of every one, and the right one."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENTRY = re.compile(r'^X\((FF_[A-Z]+), (\d+), "([a-z-]+)", (\d+), "([^"]+)"\)$', re.M)
ROW = re.compile(r"^\| (\d+) \| (.*) \|$", re.M)


def table():
    text = (ROOT / "proto" / "errors.def").read_text()
    entries = ENTRY.findall(text)
    assert len(entries) == len(re.findall(r"^X\(", text, re.M)), "a line of errors.def has another form"
    return entries


def test_names_and_slugs_occur_once():
    for column in (0, 2, 4):
        values = [entry[column] for entry in table()]
        assert len(values) == len(set(values)), sorted(v for v in values if values.count(v) > 1)


def test_docs_tell_the_exit_code_of_every_error():
    text = (ROOT / "docs" / "events.md").read_text().split("## Exit codes")[1]
    told = {}
    for code, words in ROW.findall(text):
        for slug in re.findall(r"`([a-z-]+)`", words):
            told.setdefault(slug, set()).add(int(code))
    told["interrupted"].discard(143)  # the signal decides
    for _, _, slug, code, _ in table():
        assert told.pop(slug, None) == {int(code)}, slug
    assert not told, f"no errors of the table: {sorted(told)}"
