# deployguard without a shell, without root and with nothing that would have to be written.
#
# Both bases carry the same minor version of Python. Without a network, put wheels of the dependencies
# into the folder wheels/ and add --build-arg PIP_NO_INDEX=1 --build-arg PIP_FIND_LINKS=/src/wheels.
ARG BUILD_BASE=python:3.13-slim-trixie
ARG BASE=gcr.io/distroless/python3-debian13:nonroot

FROM ${BUILD_BASE} AS build
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
WORKDIR /src
COPY . .
RUN ["python3", "-m", "pip", "install", "--no-cache-dir", "--target", "/opt/deployguard", ".[webhook,speed]"]
# The kubernetes package brings its client twice; nothing here imports the one for asyncio.
RUN ["rm", "-rf", "/opt/deployguard/kubernetes/aio", "/opt/deployguard/bin"]

FROM ${BASE}
LABEL org.opencontainers.image.title="deployguard" \
      org.opencontainers.image.description="Keeps Flask's development server and the Werkzeug debugger out of production." \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/deployguard /opt/deployguard
ENV PYTHONPATH=/opt/deployguard PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /work
# -P: what is mounted at the working directory is scanned, never imported.
ENTRYPOINT ["/usr/bin/python3", "-P", "-m", "deployguard"]
