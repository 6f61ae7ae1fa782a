"""`make bench-stages`: that every stage still works. What they cost is not asked here."""

import json
import subprocess

from harness import BUILD, REPOSITORY


def test_every_stage_runs(tmp_path):
    figures = tmp_path / "stages.json"
    subprocess.run([BUILD / "tests/bench/bench-stages", "--once", figures], cwd=REPOSITORY, check=True, timeout=120)
    operations = {each["name"]: each["stages"] for each in json.loads(figures.read_text())["operations"]}
    assert list(operations) == ["point read", "create", "page of 20", "import of 10"]
    for stages in operations.values():
        assert sum(stage["kind"] == "whole" for stage in stages) >= 7
