#!/usr/bin/env python3
"""Is every C++ file formatted as .clang-format says? Runs as a meson test; with --fix it formats in place.

Covers tracked files and untracked ones that git does not ignore. Exit status 77 (skipped) without clang-format-14:
another version formats differently.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("include", "src", "tests", "tools")
SUFFIXES = (".hpp", ".cpp")
SKIPPED = 77


def cpp_files():
    try:
        listing = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True).stdout
        names = [os.fsdecode(name) for name in listing.split(b"\0") if name]
    except (OSError, subprocess.CalledProcessError):  # A source archive, or no git here.
        names = [str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    return sorted(name for name in set(names) if name.endswith(SUFFIXES) and (ROOT / name).is_file())


def main():
    fix = sys.argv[1:] == ["--fix"]
    if sys.argv[1:] and not fix:
        print("usage: tests/format.py [--fix]", file=sys.stderr)
        return 2
    program = shutil.which("clang-format-14")
    if not program:
        print("clang-format-14 is not installed (scripts/install-deps --test)", file=sys.stderr)
        return 1 if fix else SKIPPED
    files = cpp_files()
    if not files:
        print("no C++ files found", file=sys.stderr)
        return 1
    how = ["-i"] if fix else ["--dry-run", "-Werror", "--ferror-limit=1"]
    result = subprocess.run([program, *how, *files], cwd=ROOT, check=False)
    if result.returncode != 0 and not fix:
        print("scripts/format formats in place", file=sys.stderr)
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
