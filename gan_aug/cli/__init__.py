"""The command line."""

from __future__ import annotations


def main() -> None:
    """Run the command line; see app.py, which is loaded only now."""
    from gan_aug.cli.app import main as run

    run()
