# A project's own packages as a layer above the image of steps:
#   mlcycle-step with what code.requirements lists, in FOLDER/requirements.txt (docs/own-code.md).
#   docker build --file docker/project.Dockerfile --build-arg BASE=mlcycle-step:cpu --tag mlcycle-step:NAME FOLDER
ARG BASE=mlcycle-step:slim
FROM ${BASE}
USER root
# Wheels that lie beside the list are taken before those of the index.
RUN --mount=type=bind,target=/layer \
    "$(python -c 'import sys; print(sys._base_executable)')" -m pip --disable-pip-version-check \
      --python /opt/mlcycle/bin/python install --quiet \
      --root-user-action ignore --no-cache-dir --find-links /layer \
      --constraint /opt/mlcycle/requirements.lock --requirement /layer/requirements.txt
USER 50000:50000
