"""The server behind `asr serve`: OpenAI's transcription API, a page, and live audio over a WebSocket (extra `serve`).

    limits.py       what one request, and all together, may cost
    refusal.py      every way to say no, in OpenAI's shape of an error
    gate.py         what a request passes before anything is done: Host, Origin, token, size; log and figures
    form.py         a multipart body → its checked fields
    application.py  the routes
    processes.py    the decoding processes as the server sees them: lent, timed, replaced
    process.py      one of them
    decoding.py     the program of such a process: a recording in, an answer out
    answers.py      transcript → the answer in the format that was asked for
    listening.py    audio that is being spoken → partial and final results
    live_socket.py  the WebSocket
    offer.py        what the API says of the system
    wire.py         messages to and from a decoding process
    figures.py      Prometheus
    listener.py     uvicorn, its timeouts, and how it ends
    page/           what is at `/`

The server's own process reads no audio and runs no network: recordings are decoded by processes of their own, because a
C library that meets a damaged file, or a decompression that never ends, must not end the server. They exchange bytes
and JSON over pipes, never pickles. Nothing here imports torch, unless the network is one that only torch can run.
"""
