"""Code that the tests of commits share: trees, and commands that make images of them."""

import os
import pathlib
import random
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CIM = ROOT / "build/src/cli/cim"

# Run in a directory beside the trees. They change app.cim, made from "old", or make another image that
# shares its files.
COMMANDS = {
    "create --force": ["create", "--force", "app.cim", "../new"],
    "add": ["add", "app.cim", "../new", "added"],
    "create --from": ["create", "fork.cim", "../new", "--from", "app.cim"],
    "merge": ["merge", "merged.cim", "app.cim", "app.cim"],
}
KEEPING = ("create --from", "merge")  # those that leave app.cim as it is
REPLACE = ["create", "--force", "app.cim", "../old"]


class Failure(Exception):
    pass


def run(arguments, directory, check=False, **environment):
    result = subprocess.run([CIM, *arguments], cwd=directory, capture_output=True,
                            env={**os.environ, **environment})
    if check and result.returncode != 0:
        raise Failure(f"cim {' '.join(arguments)}: {result.stderr.decode()}")
    return result


def make_trees(work):
    draw = random.Random(1)
    for name, count in (("old", 12), ("new", 14)):
        tree = work / name
        (tree / "d").mkdir(parents=True)
        for i in range(count):
            (tree / "d" / f"file-{i}").write_bytes(draw.randbytes(draw.choice((9, 900, 9000))))
        (tree / "large").write_bytes(draw.randbytes(700_000))
        (tree / "link").symlink_to("large")


def check_data(directory, images):
    for image in images:
        run(["check", "--data", image], directory, check=True)
