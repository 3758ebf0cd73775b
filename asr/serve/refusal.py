"""Every way to say no, in the shape that OpenAI's clients read.

Source: OpenAI, openapi.yaml, components/schemas/Error: type, message, param and code, of which two may be null.
"""

import json
import traceback
from dataclasses import dataclass
from pathlib import Path

from asr.support.text import one_line

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


@dataclass(eq=False)
class RefusedError(Exception):
    """Why a request is not answered.

    Attributes:
        status: HTTP's.
        code: For programs.
        message: For people, in one line: what, with the value; what to do.
        param: The field that is at fault.
        retry_after: Seconds after which another try may succeed; 0 if it will not.
    """

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after: int = 0

    def __post_init__(self) -> None:
        self.message = one_line(self.message)  # a client's names of fields are in it

    def body(self) -> bytes:
        """Return the response's body."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        row = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return json.dumps({"error": row}, ensure_ascii=False).encode() + b"\n"

    def headers(self) -> dict[str, str]:
        """Return the headers that go with it; OpenAI's clients try everything above 499 three times unless told."""
        headers = {"Content-Type": "application/json", "X-Should-Retry": "true" if self.retry_after else "false"}
        if self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


def place(error: BaseException) -> str:
    """Return an error's kind and where it happened, for the log: its message may contain what somebody sent."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-4:])
    return f"{type(error).__name__} at {' < '.join(f'{Path(one.filename).name}:{one.lineno}' for one in frames)}"
