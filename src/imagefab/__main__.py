"""The entry point, for `python -m imagefab` and for the command."""

from __future__ import annotations

from imagefab.interrupts import leave_on_interrupt


def main() -> None:
    leave_on_interrupt()
    from imagefab.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
