"""What Prometheus may ask."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 120)  # seconds


class Figures:
    """Counts and times of one server; labels are of few values, none from a request's content."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._registry = registry
        self.requests = Counter("asr_requests", "Requests answered", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "asr_request_seconds",
            "From a request's head to its answer's end",
            ["route"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.audio = Counter("asr_audio_seconds", "Duration of recordings recognized", registry=registry)
        self.waiting = Gauge("asr_requests_waiting", "Requests that wait for a decoding process", registry=registry)
        self.busy = Gauge("asr_processes_busy", "Decoding processes with a request", registry=registry)
        self.ended = Counter("asr_processes_ended", "Decoding processes replaced", ["how"], registry=registry)
        self.sessions = Gauge("asr_live_sessions", "Live sessions open", registry=registry)

    def text(self) -> bytes:
        """Return them in Prometheus' format."""
        return generate_latest(self._registry)
