"""Runs Alembic, without its command line and its ini file."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection


def config() -> Config:
    """Return what Alembic has to know."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return found


def known(version: str) -> bool:
    """Whether this program has the migration of that name."""
    try:
        return ScriptDirectory.from_config(config()).get_revision(version) is not None
    except CommandError:
        return False


def run(connection: Connection) -> None:
    """Bring the tables up to date, in the transaction of the caller."""
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
