"""Any other service, by apprise: an optional extra, since it knows more than a hundred of them."""

from __future__ import annotations

from pydantic import SecretStr

from checker.watch.channels.attempts import Attempts, unlogged
from checker.watch.rendering import as_text, said
from checker.watch.sending import NotNow
from checker.watch.values import Message
from margin.errors import ConfigError

WITHIN_S = 45.0


class Apprise:
    """The sender to one apprise URL. Its repr shows nothing of it.

    Raises `ConfigError` where apprise is not installed or does not know the URL.
    """

    def __init__(self, url: SecretStr, where: str, *, within_s: float = WITHIN_S) -> None:
        try:
            import apprise
        except ImportError:
            raise ConfigError(where, "needs the extra: pip install 'crossmargin[apprise]'") from None
        with unlogged():
            self._apprise = apprise.Apprise()
            known = self._apprise.add(url.get_secret_value())
        if not known or len(self._apprise) != 1:
            raise ConfigError(where, "not one URL of a service that apprise knows")
        self._attempts = Attempts(within_s)

    def __repr__(self) -> str:
        return "Apprise(…)"

    def send(self, message: Message, message_id: str) -> None:
        """Returns when the service has taken the message. Raises `NotNow`: apprise tells no reason."""
        title, body = _inert(said(message).title), _inert(as_text(message))

        def notify() -> None:
            if not self._apprise.notify(body=body, title=title, body_format="text"):
                raise NotNow(None, "apprise could not deliver it")

        self._attempts.run(message_id, notify)


def _inert(text: str) -> str:
    """Without mentions, on whatever service: most call people by an at sign."""
    return text.replace("@", "＠")
