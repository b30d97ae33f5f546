"""`localcal diff A B`: how do two runs differ?"""

import argparse
import json
import sys

NAME = "diff"
ABOUT = "say how two runs differ in config, inputs, code, targets, weights, errors and validation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the two runs."""
    parser.add_argument("first", metavar="A", help="a run's folder, such as runs/demo")
    parser.add_argument("second", metavar="B", help="another one's")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the differences; 1 where a file of one of the runs is damaged."""
    from localcal.status.difference import compare
    from localcal.status.show_difference import as_text

    found = compare(options.first, options.second)
    if options.json:
        text = json.dumps(found.content, indent=1, sort_keys=True, allow_nan=False)
    else:
        text = as_text(found.content)
    sys.stdout.write(f"{text}\n")
    for problem in found.problems:
        sys.stderr.write(f"error: {problem}\n")
    return int(bool(found.problems))
