"""``wait_for_database VARIABLE...``: ends once the database of the first that is set takes its login."""

import os
import sys
import time

import sqlalchemy

url = sqlalchemy.make_url(next(os.environ[name] for name in sys.argv[1:] if os.environ.get(name)))
engine = sqlalchemy.create_engine(url.set(drivername="postgresql+psycopg2"))
for _ in range(600):
    try:
        engine.connect().close()
        break
    except sqlalchemy.exc.OperationalError as error:
        print("waits:", str(error.orig).strip().splitlines()[0], flush=True)
    time.sleep(1)
else:
    sys.exit("the database does not answer")
