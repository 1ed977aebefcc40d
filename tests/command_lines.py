"""What tests of the command line share: how a refusal reads, and what a command had imported at its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import Result


def one_clear_line(result: Result) -> str:
    """Return the one line with which a call was refused."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert not result.stdout
    return line


def modules_after(*arguments: str | Path, cwd: Path) -> tuple[set[str], subprocess.CompletedProcess]:
    """Run a command in a process of its own and return the modules it had imported at its end."""
    program = (
        "import sys\nfrom clastbench.cli import main\n"
        "try:\n    main(sys.argv[2:])\nexcept SystemExit as end:\n    code = end.code\n"
        "open(sys.argv[1], 'w').write('\\n'.join(sys.modules))\nsys.exit(code)\n"
    )
    listing = cwd / "modules.txt"
    command = [sys.executable, "-c", program, str(listing), *map(str, arguments)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)
    return set(listing.read_text().splitlines()), said
