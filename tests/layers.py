#!/usr/bin/env python3
"""Which room may include which, and what no pure room may touch. Runs as a meson test.

    tests/layers.py [ROOT]       checks the tree
    tests/layers.py --self-test  plants violations in a small tree and sees each one found

Link dependencies do not police includes, so this does. The rules:
  * a room includes the public headers of the rooms that ALLOWED gives it, and its own; tests of a room likewise;
  * a private header (src/<room>/) is included by its room and that room's tests only;
  * pure rooms have no threads, locks, sockets, files, logs, clock or entropy: time and bytes are parameters;
  * a header opens with a comment that says what it is;
  * no file is longer than 500 lines;
  * every source is named by a meson.build, so that none is left out of the build unseen.
A rule that must be broken is broken in a table below, with the reason beside it.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

# The direct dependencies, as in the layout table of docs/architecture.md; what these may include comes with them.
DEPENDS = {
    "base": [],
    "resp": ["base"],
    "config": ["base"],
    "stats": ["base"],
    "namespaces": ["base", "config"],
    "command": ["base", "resp"],
    "l1": ["base", "stats"],
    "local": ["command", "l1"],
    "journal": ["base"],
    "coherence": ["l1", "command"],
    "topology": ["base", "config"],  # config: Endpoint, which says where a server is
    "io": ["base"],
    "l2": ["coherence", "topology", "io"],
    "l3": ["l2"],
    # From here up the configuration itself is at hand; rooms below are handed values.
    "proxy": ["l1", "local", "namespaces", "journal", "coherence", "l2", "l3", "config"],
    "warmup": ["proxy"],
    "invalidation": ["proxy"],
    "observe": ["proxy"],
    "admin": ["warmup", "invalidation", "observe"],
    "edge": ["observe"],
    "server": ["admin", "edge"],
    "main": ["server"],
    # A program of tools/; it must not share code with what it checks.
    "verify": ["base", "stats"],
    "load": ["base", "stats", "resp", "config"],  # A program of tools/ too.
    "sim": ["l1", "load"],  # Likewise; it runs the product's store.
}
PURE = {"base", "resp", "config", "stats", "namespaces", "command", "l1", "local", "coherence", "topology"}

# What pure rooms must not include, and what they must not say.
IMPURE_INCLUDES = re.compile(
    r"(thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|stop_token|pthread\.h"
    r"|fstream|filesystem|ctime|time\.h|unistd\.h|fcntl\.h|poll\.h|netdb\.h|spdlog/.*|boost/asio.*"
    r"|hiredis/.*|sys/(socket|epoll|time|random|un|timerfd|eventfd)\.h|netinet/.*|arpa/.*)")
IMPURE_WORDS = re.compile(
    r"::\s*now\s*\(|\brandom_device\b|\bclock_gettime\b|\bgettimeofday\b|\bgetrandom\b|\bgetentropy\b"
    r"|\bfopen\b")

# (file, include or word) -> why it may.
IMPURE_EXCEPTIONS = {
    ("include/tiercache/base/mutex.hpp", "mutex"): "the one annotated mutex that everyone uses",
    ("src/config/load_file.cpp", "fopen"): "the functions that open files; all else takes text",
}
# file -> why it may be long.
LONG_FILES = {}
MAX_LINES = 500

FOLDERS = ("include", "src", "tests", "tools", "scripts")
COUNTED = (".hpp", ".cpp", ".py", "")  # "" are scripts.
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^\s()\\]{0,16})\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def closure(room):
    found = {room}
    waiting = [room]
    while waiting:
        for lower in DEPENDS[waiting.pop()]:
            if lower not in found:
                found.add(lower)
                waiting.append(lower)
    return found


ALLOWED = {room: closure(room) for room in DEPENDS}


def without_comments(text):
    """Blanks comments; leaves strings, so that a // inside one begins nothing."""
    return COMMENT_OR_STRING.sub(lambda m: " " if m[0].startswith("/") else m[0], text)


def without_strings(text):
    return COMMENT_OR_STRING.sub(" ", text)


def place_of(name):
    """What a file is, from its path: (kind, room). The room of a test that may see every room is None."""
    parts = name.split("/")
    if parts[:2] == ["include", "tiercache"] and len(parts) > 3:
        return "public", parts[2]
    if parts[0] == "src":
        return ("private", parts[1]) if len(parts) > 2 else ("private", "main")
    if parts[:2] == ["tests", "unit"] and len(parts) > 3:
        return "test", parts[2]
    return "other", None


class Tree:
    def __init__(self, root):
        self.root = Path(root)
        self.files = {}
        for folder in FOLDERS:
            for where, folders, names in os.walk(self.root / folder):
                folders[:] = [name for name in folders if name not in ("corpus", "__pycache__")]
                for name in names:
                    path = Path(where, name)
                    self.files[str(path.relative_to(self.root))] = path
        meson_files = [path for name, path in self.files.items() if path.name == "meson.build"]
        self.built = set(re.findall(r"[\w.]+", " ".join(path.read_text() for path in meson_files)))
        self.private_headers = [name for name in self.files if name.startswith("src/") and name.endswith(".hpp")]

    def target_of(self, includer, quote, name):
        """The file of ours that an include means, or None if it is not ours."""
        if quote == '"':
            beside = os.path.normpath(os.path.join(os.path.dirname(includer), name))
            if beside in self.files:
                return beside
        if name.startswith("tiercache/"):
            return "include/" + os.path.normpath(name)
        # An include directory may reach into a room: whoever includes it must live there.
        matches = [header for header in self.private_headers if header.endswith("/" + os.path.normpath(name))]
        kind_room = place_of(includer)[1]
        own = [header for header in matches if place_of(header)[1] == kind_room]
        return (own or matches or [None])[0]


def check_include(tree, name, quote, included):
    kind, room = place_of(name)
    target = tree.target_of(name, quote, included)
    if target is None:
        return
    target_kind, target_room = place_of(target)
    if target_kind in ("public", "private") and target not in tree.files:
        yield f'includes "{included}", which does not exist'
    if target_kind not in ("public", "private"):
        if kind in ("public", "private"):
            yield f'includes "{included}", which is not part of the program'
        return
    if target_room not in DEPENDS:
        yield f'includes "{included}" of a room that the table does not know'
        return
    if target_kind == "private":
        if kind == "public":
            yield f'is public and includes the private "{included}"'
        elif target_room != room:
            yield f'includes "{included}", a private header of {target_room}'
    elif room in DEPENDS and target_room not in ALLOWED[room]:
        yield f'includes "{included}": {room} must not use {target_room}'


def check_pure(name, includes, text):
    for included in includes:
        if IMPURE_INCLUDES.fullmatch(included) and (name, included) not in IMPURE_EXCEPTIONS:
            yield f"belongs to a pure room and includes <{included}>"
    for match in IMPURE_WORDS.finditer(without_strings(text)):
        if (name, match[0]) in IMPURE_EXCEPTIONS:
            continue
        yield f"belongs to a pure room and says {match[0].strip()!r}"


def check_file(tree, name, path):
    suffix = path.suffix
    if suffix not in COUNTED:
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.count("\n")
    if lines > MAX_LINES and name not in LONG_FILES:
        yield f"has {lines} lines, the limit is {MAX_LINES}: look for the missing noun"
    if suffix not in (".hpp", ".cpp"):
        return
    if suffix == ".cpp" and path.name not in tree.built and path.stem not in tree.built:
        yield "is named by no meson.build, so it is not built"
    kind, room = place_of(name)
    if kind != "other" and room not in DEPENDS:
        yield f"lies in {room}, a room that the table does not know"
        return
    if suffix == ".hpp" and not text.lstrip().startswith(("//", "/*")):
        yield "does not open with a comment that says what it is"
    bare = without_comments(text)
    includes = INCLUDE.findall(bare)
    for quote, included in includes:
        yield from check_include(tree, name, quote, included)
    if room in PURE and kind in ("public", "private"):
        yield from check_pure(name, [included for _, included in includes], bare)


def check_tree(root):
    tree = Tree(root)
    problems = [f"{name} {problem}" for name, path in sorted(tree.files.items())
                for problem in check_file(tree, name, path)]
    excepted = [*LONG_FILES, *(name for name, _ in IMPURE_EXCEPTIONS)]
    rooms = {os.path.dirname(name) for name in tree.files}
    problems += [f"{name} is listed as an exception and does not exist" for name in excepted
                 if name not in tree.files and os.path.dirname(name) in rooms]
    return problems, len(tree.files)


SOUND_TREE = {
    "include/tiercache/base/mutex.hpp": "// m\n#include <mutex>\n",
    "include/tiercache/base/time.hpp": "// t\n// steady_clock::now() is for the shell\n#include <chrono>\n",
    "include/tiercache/l1/store.hpp": '// s\n#include "tiercache/base/time.hpp"\n',
    "include/tiercache/l2/link.hpp": '// l\n#include "tiercache/l1/store.hpp"\n',
    "src/l1/slots.hpp": "// s\n",
    "src/l1/store.cpp": '#include "tiercache/l1/store.hpp"\n#include "slots.hpp"\n'
                        'const char* k = "// ::now()";\n',
    "src/l2/link.cpp": '#include "tiercache/l2/link.hpp"\n#include <thread>\n#include <boost/asio.hpp>\n',
    "src/config/load_file.cpp": "auto* f = std::fopen(p, m);\n",
    "src/main.cpp": '#include "tiercache/l2/link.hpp"\n',
    "tests/unit/l1/store_test.cpp": '#include "slots.hpp"\n#include "tiercache/l1/store.hpp"\n#include <thread>\n',
    "tests/model/walk.cpp": '#include "tiercache/l2/link.hpp"\n',
    "tests/support/client.hpp": "// c\n",
    "tests/live/get_test.cpp": '#include "../support/client.hpp"\n',
}
# (what is planted, what the complaint must say)
VIOLATIONS = [
    ({"src/l1/up.cpp": '#include "tiercache/l2/link.hpp"\n'}, "l1 must not use l2"),
    ({"src/l1/up.cpp": "#include <tiercache/l2/link.hpp>\n"}, "l1 must not use l2"),
    ({"src/l1/up.cpp": '  #  include "tiercache/l2/link.hpp"  // why\n'}, "l1 must not use l2"),
    ({"include/tiercache/resp/side.hpp": '// x\n#include "../l1/store.hpp"\n'}, "resp must not use l1"),
    ({"tests/unit/l1/up_test.cpp": '#include "tiercache/l2/link.hpp"\n'}, "l1 must not use l2"),
    ({"src/l2/peek.cpp": '#include "../l1/slots.hpp"\n'}, "a private header of l1"),
    ({"src/l2/peek.cpp": '#include "slots.hpp"\n'}, "a private header of l1"),
    ({"src/l2/peek.cpp": '#include "l1/slots.hpp"\n'}, "a private header of l1"),
    ({"tests/unit/l2/peek_test.cpp": '#include "slots.hpp"\n'}, "a private header of l1"),
    ({"include/tiercache/l1/leak.hpp": '// x\n#include "../../../src/l1/slots.hpp"\n'}, "includes the private"),
    ({"src/l1/gone.cpp": '#include "tiercache/l1/gone.hpp"\n'}, "does not exist"),
    ({"src/l1/t.cpp": '#include "../../tests/support/client.hpp"\n'}, "not part of the program"),
    ({"src/attic/t.cpp": "int x;\n"}, "a room that the table does not know"),
    ({"src/l1/t.cpp": "#include <thread>\n"}, "includes <thread>"),
    ({"src/l1/t.cpp": "#include <mutex>\n"}, "includes <mutex>"),
    ({"include/tiercache/base/t.hpp": "// x\n#include <mutex>\n"}, "includes <mutex>"),
    ({"src/coherence/t.cpp": "#include <boost/asio/post.hpp>\n"}, "includes <boost/asio/post.hpp>"),
    ({"src/command/t.cpp": "#include <spdlog/spdlog.h>\n"}, "includes <spdlog/spdlog.h>"),
    ({"src/config/t.cpp": "#include <fstream>\n"}, "includes <fstream>"),
    ({"src/stats/t.cpp": "auto t = std::chrono::steady_clock::now();\n"}, "::now("),
    ({"src/config/t.cpp": "auto* f = std::fopen(p, m);\n"}, "'fopen'"),
    ({"src/l1/t.cpp": "std::random_device d;\n"}, "random_device"),
    ({"include/tiercache/l1/bare.hpp": "#pragma once\n"}, "does not open with a comment"),
    ({"src/server/long.cpp": "int x;\n" * (MAX_LINES + 1)}, "the limit is"),
    ({"src/server/unbuilt.cpp": "int x;\n"}, "named by no meson.build"),
    ({"scripts/long": "x\n" * (MAX_LINES + 1)}, "the limit is"),
]


def problems_of(files):
    with tempfile.TemporaryDirectory(prefix="tiercache-layers.") as root:
        sources = " ".join(Path(name).name for name in files if "unbuilt" not in name)
        for name, text in {**files, "src/meson.build": sources}.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check_tree(root)[0]


def self_test():
    wrong = 0
    sound = problems_of(SOUND_TREE)
    if sound:
        wrong += 1
        print(f"the sound tree: unexpected {sound}", file=sys.stderr)
    for planted, expected in VIOLATIONS:
        found = problems_of({**SOUND_TREE, **planted})
        if len(found) != 1 or expected not in found[0]:
            wrong += 1
            print(f"planted {planted}: expected one {expected!r}, got {found}", file=sys.stderr)
    print(f"{len(VIOLATIONS)} planted violations, {wrong} misjudged")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = sys.argv[1] if len(sys.argv) == 2 else Path(__file__).resolve().parent.parent
    problems, seen = check_tree(root)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{seen} files, {len(problems)} problems")
    return 1 if problems or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
