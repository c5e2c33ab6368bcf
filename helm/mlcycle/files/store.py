"""Makes the trial store's bucket once the server in this pod listens."""

import time
import urllib.error
import urllib.request

REQUEST = urllib.request.Request("http://127.0.0.1:5000/mlcycle", method="PUT")

for _ in range(120):
    try:
        urllib.request.urlopen(REQUEST, timeout=5)  # noqa: S310 - our own
        break
    except urllib.error.HTTPError as error:
        if error.code == 409:  # it is there
            break
    except OSError:
        pass
    time.sleep(0.5)
else:
    raise SystemExit("the trial store does not answer")
