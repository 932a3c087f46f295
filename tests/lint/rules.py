#!/usr/bin/python3
"""Checks what a compiler does not: forbidden functions, long functions and files, words that do not belong here.
Usage: rules.py FILE.. ; prints `file:line: what` and exits 1 if a rule is broken.
"""
import os
import re
import sys

MAX_FUNCTION_LINES = 90
MAX_FILE_LINES = 700
CODE = (".c", ".h", ".py", ".sh", ".def")
TEXT = CODE + (".md", ".json", ".txt", ".supp", ".ini", "Makefile", "/run")

FORBIDDEN = re.compile(r"\b(strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|alloca)\s*\(")
EXIT = re.compile(r"(?<![\w.>])(exit|abort|quick_exit)\s*\(")
# Unfinished work, trackers' numbers, folders of one machine.
WORDS = [
    (re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"), "unfinished work is not committed"),
    (re.compile(r"\bissue\s*#?\s*\d", re.I), "numbers of a tracker do not belong in the tree"),
    (re.compile(r"(?<![\w.~}$/-])/(home|root|work|Users)/\w"), "absolute path of one machine"),
]


def strip_c(text):
    """C text with comments and literals blanked, lines kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def check_c(path, text):
    is_main = path.endswith("main.c")
    start = None
    for number, line in enumerate(strip_c(text).splitlines(), 1):
        for match in FORBIDDEN.finditer(line):
            yield number, f"{match.group(1)}() is forbidden: use its bounded form"
        if not is_main:
            for match in EXIT.finditer(line):
                yield number, f"{match.group(1)}() outside main: return an error"
        if line.rstrip() == "{":  # the formatter puts a function's braces alone in column 0
            start = number
        elif line.startswith("}") and start is not None:
            if number - start + 1 > MAX_FUNCTION_LINES:
                yield start, f"function of {number - start + 1} lines; at most {MAX_FUNCTION_LINES}"
            start = None


def check(path):
    if not path.endswith(TEXT) or path.startswith("tests/fuzz/corpus/"):  # seeds are bytes, not text
        return
    with open(path, encoding="utf-8") as file:
        text = file.read()
    lines = text.splitlines()
    if path.endswith(CODE) and len(lines) > MAX_FILE_LINES:
        yield 1, f"file of {len(lines)} lines; at most {MAX_FILE_LINES}"
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end"
    for number, line in enumerate(lines, 1):
        for word, why in WORDS:
            if word.search(line):
                yield number, f"'{word.search(line).group()}': {why}"
        if path.endswith((".py", ".sh")) and len(line) > 120:  # C is the formatter's
            yield number, f"line of {len(line)} characters; at most 120"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
    if path.endswith((".c", ".h")):
        yield from check_c(path, text)


def main(paths):
    wrong = 0
    for path in paths:
        if not os.path.isfile(path):
            continue
        for number, what in check(path):
            print(f"  {path}:{number}: {what}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
