"""Is a service well? ``python -IS healthy.py URL`` asks it; a word more is a part of Airflow's own health.

``python -IS healthy.py http://127.0.0.1:5000/health``
``python -IS healthy.py http://api-server:8080/api/v2/monitor/health scheduler``

Standard library alone and nothing of the environment: asked twice a minute, it costs 0.05 s of CPU.
"""

import http.client
import json
import sys
from urllib.parse import urlsplit


def main(url: str, part: str = "") -> str:
    """Why it is not well, or nothing."""
    place = urlsplit(url)
    try:
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=5)
        connection.request("GET", place.path)
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        return f"{url} does not answer: {error}"
    if answer.status != 200:
        return f"{url} answers {answer.status}"
    status = json.loads(body)[part]["status"] if part else "healthy"
    return "" if status == "healthy" else f"the {part} is {status}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or 0)
