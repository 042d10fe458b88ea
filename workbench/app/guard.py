"""Who is answered: requests to this machine by its own name, with the token of the server, and from its own page."""

import hmac
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tornado.web import HTTPError, RequestHandler

from workbench.errors import WorkbenchError, os_remedy

# A page of another site may have its name resolved to this machine (DNS rebinding): the browser then sends that name.
HOSTS = ("127.0.0.1", "localhost")
SAFE = ("GET", "HEAD")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
TOKEN_BYTES = 24


@dataclass(frozen=True)
class Access:
    """The token of a server, which stands in its address once and in a cookie from then on.

    Attributes
    ----------
    token : str
        The token, drawn at random.
    cookie : str
        Name of the cookie. It holds a random part, since browsers give the cookies of all servers of a machine to each of them.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES))
    cookie: str = field(default_factory=lambda: f"workbench-{secrets.token_hex(4)}")

    def admits(self, token: str | None) -> bool:
        """Tell whether a token is the right one.

        Parameters
        ----------
        token : str or None
            A token.

        Returns
        -------
        bool
            Whether it is, found out in a time that does not depend on it.
        """
        return hmac.compare_digest((token or "").encode(), self.token.encode())


class Guarded(RequestHandler):
    """Base of all handlers: refuses strangers, and answers errors with one line."""

    access: Access

    def set_default_headers(self) -> None:
        """Forbid the browser whatever the page does not need."""
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def prepare(self) -> None:
        """Refuse strangers.

        Raises
        ------
        HTTPError
            403 for another host than this machine, for a change that another page asks for, and without the token.
        """
        self.access = self.settings["access"]
        if urlsplit(f"//{self.request.host}").hostname not in HOSTS:
            raise HTTPError(403, reason="This page answers to 127.0.0.1 and localhost only")
        origin = self.request.headers.get("Origin")
        if self.request.method not in SAFE and origin not in (None, f"http://{self.request.host}"):
            raise HTTPError(403, reason="Only this page itself may change something")
        if not self.access.admits(self.get_cookie(self.access.cookie)) and not self.is_admitted_otherwise():
            raise HTTPError(403, reason="Open the address that workbench app wrote to its terminal: it has the token")

    def is_admitted_otherwise(self) -> bool:
        """Tell whether a request without the cookie is answered.

        Returns
        -------
        bool
            Never, but for pages; see :class:`workbench.app.server.PageHandler`.
        """
        return False

    def write_error(self, status_code: int, **details: object) -> None:
        """Answer an error with one line, as JSON: what a person can mend with its remedy.

        Parameters
        ----------
        status_code : int
            The status that the error has by itself.
        **details : object
            ``exc_info``, as ``sys.exc_info`` gives it.
        """
        info = details.get("exc_info")
        error = info[1] if isinstance(info, tuple) else None
        line = self._reason
        if isinstance(error, WorkbenchError):
            self.set_status(400)
            line = str(error)
        elif isinstance(error, OSError) and os_remedy(error):
            self.set_status(507)
            line = os_remedy(error)
        self.finish({"error": line})

    def log_exception(self, *details: object) -> None:
        """Log what is a fault of the program; not what a person can mend.

        Parameters
        ----------
        *details : object
            Type, error and traceback, as ``sys.exc_info`` gives them.
        """
        error = details[1]
        if not isinstance(error, WorkbenchError | HTTPError) and not (isinstance(error, OSError) and os_remedy(error)):
            super().log_exception(*details)  # type: ignore[arg-type]
