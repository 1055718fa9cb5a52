"""Tables of results: a bar and its verdict, text for the terminal, markdown for docs/benchmarks.md. Pure.

    scripts/lib/bench_report.py --self-test
"""

import dataclasses
import re
import statistics
import sys


@dataclasses.dataclass
class Bar:
    """What a number must reach: at most, or at least, `limit`."""

    limit: float
    unit: str = "×"
    at_least: bool = False

    def __str__(self):
        return "%s %g%s" % ("≥" if self.at_least else "≤", self.limit, self.unit)

    def verdict(self, value):
        if value is None:
            return "n.a."
        return "PASS" if (value >= self.limit if self.at_least else value <= self.limit) else "FAIL"


def median_ratio(ours, theirs):
    """The median of the ratios of runs that followed each other, so that what slows the machine for a while
    is in both parts of a ratio."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


def judged(value, bar, form="%.2f×"):
    """Three cells: the value, the bar, the verdict."""
    shown = "" if value is None else form % value
    return [shown, str(bar), bar.verdict(value)] if bar else [shown, "", ""]


@dataclasses.dataclass
class Table:
    title: str
    columns: list
    rows: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])

    def failed(self):
        return sum(row.count("FAIL") for row in self.rows)

    def as_text(self):
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        shown = ["  ".join(cell.rjust(width) if _is_number(cell) else cell.ljust(width)
                           for cell, width in zip(line, widths)).rstrip() for line in lines]
        return "\n".join([self.title, *shown, *self.notes]) + "\n"

    def as_markdown(self):
        def line(cells):
            return "| " + " | ".join(cells) + " |"
        # A column of numbers is aligned to the right.
        marks = ["---:" if all(_is_number(row[i]) or not row[i] for row in self.rows) else "---"
                 for i in range(len(self.columns))]
        parts = [self.title, "", line(self.columns), line(marks), *map(line, self.rows)]
        for note in self.notes:
            parts += ["", note]
        return "\n".join(parts) + "\n"


def _is_number(cell):
    return re.fullmatch(r"[≤≥]? ?-?[\d.]+( B|×)?", cell) is not None


def sections_of(text):
    """A markdown page as (heading, body) in order; what stands before the first heading has the heading ''."""
    sections = [["", ""]]
    for line in text.splitlines(keepends=True):
        if line.startswith("## "):
            sections.append([line[3:].strip(), ""])
        else:
            sections[-1][1] += line
    return [tuple(section) for section in sections]


def merged_page(old, head, fresh, order):
    """A page with the sections of `fresh` in place of those of `old`, in the given order."""
    bodies = {**dict(sections_of(old)), **fresh}
    sections = ["## %s\n\n%s\n" % (heading, bodies[heading].strip()) for heading in order if heading in bodies]
    return "\n".join([head.strip() + "\n", *sections])


def self_test():
    assert Bar(1.15).verdict(1.15) == "PASS" and Bar(1.15).verdict(1.151) == "FAIL"
    assert Bar(1.5, at_least=True).verdict(1.5) == "PASS" and Bar(1.5, at_least=True).verdict(1.4) == "FAIL"
    assert Bar(4096, " B").verdict(None) == "n.a." and str(Bar(4096, " B")) == "≤ 4096 B"
    # One run at half speed, of both: the ratio is not touched, as that of the medians would be.
    assert median_ratio([1, 2, 1], [2, 4, 2]) == 0.5
    assert median_ratio([3, 1, 2], [1, 1, 1]) == 2
    table = Table("Title", ["what", "n", "bar", "verdict"])
    table.add("a", *judged(2.0, Bar(1)))
    table.add("b", *judged(None, Bar(1)))
    table.add("64 MB", *judged(0.5, None))
    assert table.rows == [["a", "2.00×", "≤ 1×", "FAIL"], ["b", "", "≤ 1×", "n.a."], ["64 MB", "0.50×", "", ""]]
    assert table.failed() == 1
    assert table.as_markdown().splitlines()[2:5] == [
        "| what | n | bar | verdict |", "| --- | ---: | ---: | --- |", "| a | 2.00× | ≤ 1× | FAIL |"]
    assert table.as_text().splitlines()[2].split() == ["a", "2.00×", "≤", "1×", "FAIL"]
    page = merged_page("# old\n\n## b\n\nold b\n\n## gone\n\nx\n\n## a\n\nold a\n", "# new\n", {"a": "new a"},
                       ["a", "b", "c"])
    assert page == "# new\n\n## a\n\nnew a\n\n## b\n\nold b\n", page
    assert merged_page(page, "# new\n", {"a": "new a"}, ["a", "b", "c"]) == page
    assert merged_page(page, "# new\n", {"c": "new c"}, ["a", "b", "c"]) == page + "\n## c\n\nnew c\n"
    print("bench_report: good")


if __name__ == "__main__":
    if sys.argv[1:] != ["--self-test"]:
        sys.exit(__doc__)
    self_test()
