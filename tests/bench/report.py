"""report.py -- how `make bench` tells what it found: progress to stderr; tables, as README has them, and goals to stdout."""

import sys
import time

BEGUN = time.monotonic()


def say(text=""):
    print(text, flush=True)


def progress(text):
    print(f"{time.monotonic() - BEGUN:5.0f} s  {text} ...", file=sys.stderr, flush=True)


def table(head, rows):
    """A Markdown table whose columns stand below each other in a terminal too."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    say("\n".join(lines) + "\n")


def goal(name, reached, measured):
    return {"goal": name, "reached": bool(reached), "measured": str(measured)}


def goals(all_goals):
    width = max((len(each["goal"]) for each in all_goals), default=0)
    for each in all_goals:
        say(f"{'reached' if each['reached'] else 'NOT YET':9} {each['goal']:{width}}  {each['measured']}")


def milliseconds(value):
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"
