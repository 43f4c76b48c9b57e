"""What an API process does about people: one of all of them tells them of what stands wrong.

What stands wrong is known by one service, telling of it belongs to another; here they are put together.
"""

from core.domain.watched import Look
from core.settings import Settings
from models.session import Database
from services.alerts.watch import Alerter


async def tell_people(settings: Settings, database: Database, look: Look) -> None:
    """Go on until cancelled. Any number of processes may; one at a time looks."""
    await Alerter(settings, database, look).run()
