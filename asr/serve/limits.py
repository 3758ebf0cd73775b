"""What a request, and all of them together, may cost."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds that are checked before the work that they bound is done.

    Attributes:
        body: Bytes of a request's body.
        bodies: Bytes of all bodies that are received or decoded at a time.
        seconds: Duration of a recording, and of a live session.
        decoded: Bytes of a recording's samples once it is decoded, float32, channels averaged.
        queue: Requests that wait for a decoding process; more are told to come back.
        timeout: Seconds that a request may take, once it is received.
        idle: Seconds without a byte, in a request's body or in a live session.
        connections: Open at a time.
        sessions: Live sessions at a time.
        message: Bytes of a message of a live session.
    """

    body: int = 128 * MIB  # an hour of WAV, 16 bits at 16 kHz
    bodies: int = 1024 * MIB
    seconds: float = 3600.0
    decoded: int = 1024 * MIB
    queue: int = 128
    timeout: float = 300.0
    idle: float = 30.0
    connections: int = 512
    sessions: int = 8
    message: int = 1 * MIB
