"""Hold the repository to the rules of the house: one line for each finding, and a line with what was looked at."""

import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

from tools.house import RULES, check, count
from tools.house.tree import read_tree

EXCEPTIONS = Path(__file__).parent / "house" / "exceptions.toml"


def main(root: Path) -> int:
    """Print the findings in `root`; the exit code is 1 where there is one, or where nothing was looked at."""
    tree = read_tree(root)
    findings = check(tree, tomllib.loads(EXCEPTIONS.read_text("utf-8")))
    for finding in findings:
        print(finding)
    counted = asdict(count(tree))
    unseen = [name for name, number in counted.items() if number == 0]
    if unseen:
        print(f"house: no {' and no '.join(unseen)} found in {root}: run this in the root of the repository")
    looked_at = ", ".join(f"{number} {name}" for name, number in counted.items())
    print(f"house: {looked_at}; {len(RULES)} rules, {len(findings)} findings")
    return 1 if findings or unseen else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parents[1]))
