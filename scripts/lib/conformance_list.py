"""The differences that docs/commands.md says are meant, each with its reason. Standard library only."""

from collections import namedtuple

BEGIN = "<!-- read by scripts/conformance -->"
END = "<!-- end of the differences -->"

# The name may end in "…": any test whose name begins so. A reason that begins with HANGS is of a test that would wait
# for ever, and take the rest of its unit with it: it is left out of the runs through the proxy.
HANGS = "waits for ever: "
Row = namedtuple("Row", "unit name reason")


class Expected:
    def __init__(self, rows):
        self.rows = rows

    @classmethod
    def read(cls, page):
        text = page.read_text()
        if BEGIN not in text:
            raise ValueError(f"{page} has no list of expected differences")
        return cls.parse(text.split(BEGIN, 1)[1].split(END, 1)[0])

    @classmethod
    def parse(cls, table):
        rows = []
        for line in table.splitlines():
            cells = [cell.strip().replace("\0", "|") for cell in line.replace("\\|", "\0").strip("|").split("|")]
            if len(cells) != 3 or cells[0] in ("unit", "---"):
                continue
            if not all(cells):
                raise ValueError(f"a difference without a reason: {line}")
            rows.append(Row(cells[0], cells[1].strip("`"), cells[2]))
        return cls(rows)

    def hanging(self, unit):
        return [row.name for row in self.rows if row.unit == unit and row.reason.startswith(HANGS)]

    def find(self, test):
        for row in self.rows:
            same = test.name.startswith(row.name[:-1]) if row.name.endswith("…") else test.name == row.name
            if row.unit == test.unit and same:
                return row
        return None
