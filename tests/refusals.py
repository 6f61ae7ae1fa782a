"""refusals.py -- which refusals the tests have met: every one that the API declares must have been answered at least once.

The harness notes each as it comes, in the folder that CAMPUS_SEEN names, a file a process; tests/run compares at the end.
"""

import json
import os
import pathlib
import re

# Declared, but reached by no request: each with its reason.
UNREACHABLE = {
    ("EndMembership", "outside_organisation_life"):
        "a second line of defence: an organisation whose end is set has no open membership, so no end can lie behind it",
}


def note(verb, path, status, content_type, body):
    """Notes a refusal, and the document of the API when it passes by."""
    folder = os.environ.get("CAMPUS_SEEN")
    if not folder:
        return
    place = pathlib.Path(folder)
    if path == "/openapi.json" and status == 200 and not (place / "openapi.json").exists():
        (place / f"openapi.{os.getpid()}").write_bytes(body)
        (place / f"openapi.{os.getpid()}").rename(place / "openapi.json")
    if content_type == "application/problem+json":
        try:
            problem = json.loads(body)
        except ValueError:
            return
        codes = {problem.get("code"), *(error.get("code") for error in problem.get("errors", []))}
        with open(place / f"refusals.{os.getpid()}", "a", encoding="utf-8") as file:
            file.writelines(f"{verb} {path.split('?')[0]} {code}\n" for code in codes)


def _operations(document):
    """[(verb, the path as a pattern, operationId, its refusals)], those with fewer variables first."""
    found = []
    for path, item in document["paths"].items():
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/:]+", re.escape(path)))
        for verb, operation in item.items():
            codes = {code for response in operation["responses"].values()
                     for code in re.findall(r"^- `(\w+)`: ", response.get("description", ""), re.M)}
            found.append((path.count("{"), verb.upper(), pattern, operation["operationId"], codes))
    return [one[1:] for one in sorted(found, key=lambda one: one[0])]


def missing(folder):
    """The (operationId, code) that are declared and were never answered, sorted."""
    place = pathlib.Path(folder)
    operations = _operations(json.loads((place / "openapi.json").read_text()))
    seen = set()
    for file in place.glob("refusals.*"):
        for line in set(file.read_text(encoding="utf-8").splitlines()):
            verb, path, code = line.split(" ")
            for known, pattern, name, _ in operations:
                if known == verb and pattern.fullmatch(path):
                    seen.add((name, code))
                    break
    declared = {(name, code) for _, _, name, codes in operations for code in codes}
    return sorted(declared - seen - set(UNREACHABLE))
