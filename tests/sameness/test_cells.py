from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import get_args

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.config.compare import ArmName
from gan_aug.evaluation.cells.plan import plan_cells
from gan_aug.evaluation.cells.run import load_context, run_cell
from tests.support.cell_data import CellData, small_config

SAME = ("request.json", "scores.npz", "classifier.safetensors", "classifier.json")


def run(data: CellData, cells: Path, workers: int) -> list[str]:
    plan = plan_cells(data.manifest, [data.generated], small_config(seeds=1, arms=get_args(ArmName)))
    setup = partial(load_context, data.dataset, [data.synthetic], cells)
    done = dict(LocalExecutor(workers).map(run_cell, plan, setup=setup))
    assert [done[i] for i in range(len(plan))] == [cell.key for cell in plan]
    return [cell.key for cell in plan]


def test_cells_are_equal_byte_for_byte_in_one_process_and_in_two(cell_data, tmp_path):
    keys = run(cell_data, tmp_path / "one", workers=1)
    assert run(cell_data, tmp_path / "two", workers=2) == keys
    assert len(set(keys)) == 8
    for key in keys:
        one, two = tmp_path / "one" / key, tmp_path / "two" / key
        for name in SAME:
            assert (one / name).read_bytes() == (two / name).read_bytes(), name
        results = [json.loads((folder / "result.json").read_text()) for folder in (one, two)]
        assert [result.pop("seconds") > 0 for result in results] == [True, True]
        assert results[0] == results[1]
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == sorted(keys)
