"""`imagefab doctor`: what this machine has and lacks for each engine, and the command that mends it."""

from __future__ import annotations

import argparse

from imagefab.cli.display import write_out
from imagefab.cli.session import Session, print_json

NAME = "doctor"
HELP = "what this machine has and lacks for each engine, and the command that mends it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    from imagefab.engines.choose import ENGINES
    from imagefab.engines.inspect import inspect_emulation
    from imagefab.platforms import HOST_PLATFORMS

    groups = {name: list(make().inspect(session.store)) for name, make in ENGINES.items()}
    groups["platforms"] = [inspect_emulation(platform) for platform in HOST_PLATFORMS.values()]
    if session.arguments.json:
        print_json(
            {
                "groups": {
                    name: [{"what": f.what, "ok": f.ok, "detail": f.detail, "fix": f.fix} for f in findings]
                    for name, findings in groups.items()
                }
            }
        )
        return 0
    for name, findings in groups.items():
        works = all(finding.ok for finding in findings)
        write_out(f"{name}{'' if name == 'platforms' else ': works' if works else ': does not work'}\n")
        for finding in findings:
            write_out(f"  {'ok  ' if finding.ok else 'MISS'} {finding.what}: {finding.detail}\n")
            if not finding.ok and finding.fix:
                write_out(f"       mend it: {finding.fix}\n")
    return 0
