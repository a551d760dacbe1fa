"""A PostgreSQL server of its own for tests: real programs, on loopback, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest

NAMES = ("initdb", "pg_ctl", "createdb")


def programs() -> Path | None:
    """Return the folder of the server's programs; None where it is not installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = shutil.which("initdb")
    if path is not None:
        folders.append(Path(path).parent)
    return next((folder for folder in folders if all((folder / name).exists() for name in NAMES)), None)


class Server:
    """A server with no password, for whoever is on this machine.

    Parameters
    ----------
    durable
        Whether commits reach the disk, as a user's do; tests need not wait for it.
    """

    _by_port: ClassVar[dict[int, Server]] = {}

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        found = programs()
        if found is None:
            pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
        self._programs = found
        self._as = []
        self.folder = Path(tempfile.mkdtemp(prefix="dse-postgres-"))
        if os.getuid() == 0:  # which the server refuses to run as
            try:
                owner = pwd.getpwnam("postgres")
            except KeyError:
                pytest.skip("a PostgreSQL server does not run as root, and there is no user postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        with socket.socket() as found_free:
            found_free.bind(("127.0.0.1", 0))
            self.port = found_free.getsockname()[1]
        self._run("initdb", "-D", "data", "-U", "dse", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        self._databases = 0
        self._by_port[self.port] = self
        self.start()

    def _run(self, name: str, *arguments: str) -> None:
        command = [*self._as, str(self._programs / name), *arguments]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, timeout=120)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=60"
        if not self._durable:
            options += " -c fsync=off"
        self._run("pg_ctl", "-D", "data", "-l", "log", "-w", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop; "immediate" is as if the machine had crashed."""
        self._run("pg_ctl", "-D", "data", "-m", mode, "-w", "stop")

    def database(self) -> str:
        """Make a database, and return its URL."""
        self._databases += 1
        name = f"dse{self._databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "dse", name)
        return f"postgresql://dse@127.0.0.1:{self.port}/{name}"

    @classmethod
    def of(cls, url: str) -> Server:
        """Return the server of a database."""
        return cls._by_port[int(url.rpartition(":")[2].partition("/")[0])]

    def close(self) -> None:
        try:
            self.stop("immediate")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
