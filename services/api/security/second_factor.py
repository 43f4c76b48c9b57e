"""What signing in by name asks for besides the password, of who has set that up."""

from contextlib import suppress
from http import HTTPStatus

from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.clock import Clock
from core.sealing import KeyUnavailableError, SealedWithAnotherKeyError, Sealer, key_name
from core.second_factor import DIGITS, recovery_hash, spelled, step_of_code
from core.settings import Settings
from models.queries.second_factor import Factor, factor_of
from models.session import Database, Writer
from models.stores.second_factor import keys_in_use, renew_secret, take_recovery_code, take_step
from models.stores.sign_in_tries import begin_code, end_codes, take_back_code
from services.api.problems import ProblemError
from services.api.security.throttle import Throttle

log = logs.get_logger(__name__)


class SecondFactor:
    """Asks for codes, and lets each be used once.

    Whoever gets here has the password. So wrong codes make the user wait wherever they come from, and
    whichever replica they went to: nobody else can bring that about.
    """

    def __init__(self, settings: Settings, database: Database, clock: Clock, throttle: Throttle) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._throttle = throttle

    def opener(self) -> Sealer:
        """What secrets are opened with, as it is now: a key that is put before the others counts at once.

        Raises:
            ProblemError: 503; there is no key here.
        """
        return self._of_settings(None)

    async def sealer(self, writer: Writer) -> Sealer:
        """What a secret is sealed with in this transaction: by a key of those that sealed the others.

        Raises:
            ProblemError: 503; that key is not here.
        """
        return self._of_settings(await keys_in_use(writer))

    def _of_settings(self, sealed_by: set[str] | None) -> Sealer:
        try:
            return Sealer.of_settings(self._settings, sealed_by)
        except KeyUnavailableError as error:
            # Where files are is for who runs this.
            log.warning("second_factor_key_unavailable", reason=str(error))
            raise _unreadable(
                "The key that seals second factors is not here, or cannot be read. The API's log says more."
            ) from None

    async def check(self, user_id: int, code: str | None, address: str) -> None:
        """Let pass whoever needs none, or gives a code that was not used before.

        Raises:
            ProblemError: 401; or 429 after too many wrong ones; or 503 where the secret cannot be read.
        """
        async with self._database.read() as reader:
            factor = await factor_of(reader, user_id)
        if factor is None or not factor.is_proved:
            return
        if code is None:
            raise _refused("second_factor_needed", "Send the code that your app shows as `code`, too.")
        seconds = self._throttle.wait_seconds(address)
        if seconds:
            raise too_many_attempts(seconds)
        # Counted before it is known: many at once must not get ahead of the count.
        self._throttle.note_wrong(address)
        is_counted = is_right = False
        try:
            # In a transaction of its own: however the next one ends, it has been tried.
            async with self._database.write() as writer:
                seconds = await begin_code(writer, user_id)
            is_counted = not seconds
            is_right = is_counted and await self._take(user_id, factor, code)
        except BaseException:  # nothing was compared: the key is not here, or the database is away
            self._throttle.take_back(address)
            if is_counted:
                with suppress(SQLAlchemyError, OSError, TimeoutError):
                    async with self._database.write() as writer:
                        await take_back_code(writer, user_id)
            raise
        if seconds:
            raise too_many_attempts(seconds)
        if not is_right:
            raise _refused(
                "second_factor_wrong",
                "This code is wrong, or was used before. An app shows another one every thirty seconds.",
            )
        self._throttle.take_back(address)

    async def _take(self, user_id: int, factor: Factor, code: str) -> bool:
        async with self._database.write() as writer:
            if len(spelled(code)) > DIGITS:
                is_right = await take_recovery_code(writer, user_id, recovery_hash(code))
            else:
                is_right = await self._take_code(writer, user_id, factor.secret, code)
            if is_right:
                await end_codes(writer, user_id)
        return is_right

    async def _take_code(self, writer: Writer, user_id: int, sealed: str, code: str) -> bool:
        # One of before there were keys is to be sealed.
        sealer = await self.sealer(writer) if key_name(sealed) is None else self.opener()
        secret = opened(sealer, sealed, user_id)
        step = step_of_code(secret, code, self._clock())
        if step is None or not await take_step(writer, user_id, step):
            return False
        if not sealer.is_current(sealed):
            await renew_secret(writer, user_id, stale=sealed, fresh=sealer.seal(secret, str(user_id)))
        return True


def opened(sealer: Sealer, sealed: str, user_id: int) -> str:
    """A user's secret.

    Raises:
        ProblemError: 503; the key is not here.
    """
    try:
        return sealer.open(sealed, str(user_id))
    except SealedWithAnotherKeyError as error:
        raise _unreadable(str(error)) from None


def too_many_attempts(seconds: int) -> ProblemError:
    """Somebody guesses, or might."""
    return ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many_attempts",
        f"Too many wrong tokens, passwords or codes. Try again in {seconds} seconds.",
        headers={"retry-after": str(seconds)},
    )


def _unreadable(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "second_factor_unreadable", detail)


def _refused(code: str, detail: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED, code, detail, headers={"www-authenticate": 'Bearer realm="lotkeeper"'}
    )
