"""A database server, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed: dse-toolkit[postgres]")
    made = Server()
    yield made
    made.close()


@pytest.fixture
def url(server: Server) -> str:
    """The URL of an empty database."""
    return server.database()
