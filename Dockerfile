# The image of the operator. Both stages use the same base, so the environment that the first one
# fills fits the interpreter of the second.
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# pip, uv and setuptools stay out of the image: they live in an environment of their own. These
# lines are the same in all our Dockerfiles, so their layers are shared.
COPY requirements/install.py requirements/build.txt requirements/
RUN python3 -m venv /opt/pip && /opt/pip/bin/python requirements/install.py
RUN python3 -m venv --without-pip /opt/tidegate
COPY requirements/runtime.txt requirements/
RUN /opt/pip/bin/python requirements/install.py --python /opt/tidegate/bin/python \
      --lock requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
RUN /opt/pip/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/pip/bin/python requirements/install.py --python /opt/tidegate/bin/python \
      --roots "$(echo /dist/*.whl)[controller]"
# Importing the program once leaves bytecode for exactly the modules it needs: 4 MB that halve the
# start-up time. A wheel that cannot start fails here.
RUN /opt/tidegate/bin/python -c "import tidegate.cli.main, tidegate.cli.run"

FROM ${BASE_IMAGE}
# What the image was made from: --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)"
ARG BASE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=https://github.com/tidegate/tidegate
LABEL org.opencontainers.image.title="Tidegate" \
      org.opencontainers.image.description="Progressive rollout of machine-learning models" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
COPY --from=build /opt/tidegate /opt/tidegate
# Nothing is written at run time, so the root file system may be read-only.
ENV PATH=/opt/tidegate/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["tidegate"]
