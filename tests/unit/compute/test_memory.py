from __future__ import annotations

from pathlib import Path

from gan_aug.compute.memory import _left, available_memory, reused_memory


def test_the_machine_says_what_is_left() -> None:
    left = available_memory()
    assert left is not None
    assert 0 < left < 1 << 50


def test_a_control_groups_limit_counts_without_its_file_cache(tmp_path: Path) -> None:
    assert _left(tmp_path) is None
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert _left(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert _left(tmp_path) == 450


def test_memory_is_kept_within_the_block_alone() -> None:
    with reused_memory():
        assert len(bytearray(64 << 20)) == 64 << 20
    assert len(bytearray(64 << 20)) == 64 << 20
