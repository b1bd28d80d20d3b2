"""Reports into files: whole or not at all."""

from __future__ import annotations

import os


def write(path: str, report: str) -> None:
    """Replace a file by a report in one step; on failure (OSError) what was there stays, and nothing else.

    A symbolic link keeps pointing where it does; a pipe or device is written to as it is.
    """
    data = report.encode("utf-8", "replace")
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as stream:
            stream.write(data)
        return
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
        os.replace(temporary, target)
    except BaseException:  # Ctrl-C too
        if os.path.exists(temporary):
            os.remove(temporary)
        raise
