# The worker image: everything of requirements.lock, torch with CUDA included (7 GB).
#   docker build -f docker/worker.Dockerfile -t boxwise-worker .
FROM python:3.11-slim AS build
WORKDIR /opt/boxwise
COPY requirements-uv.lock requirements.lock /tmp/
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements-uv.lock \
 && uv venv /opt/venv \
 && uv pip sync --no-cache --python /opt/venv/bin/python --require-hashes /tmp/requirements.lock
COPY manage.py pyproject.toml README.md LICENSE ./
COPY client client
COPY inference inference
COPY labeling labeling
# The command `boxwise` and its entry points; the code stays where it is copied to.
RUN uv pip install --no-cache --python /opt/venv/bin/python --no-deps --build-constraints /tmp/requirements.lock \
    -e client -e .

FROM python:3.11-slim
# OpenCV's wheel asks for these two of the system.
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 10001 boxwise && install -d -o boxwise /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/boxwise /opt/boxwise
WORKDIR /opt/boxwise
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 BOXWISE_DATA_DIR=/data DATABASE_POOL_SIZE=5
USER boxwise
# One thread for one task: threads and not forks, since CUDA does not survive a fork.
ENV QUEUES=cpu
CMD exec celery -A labeling.celery worker -P threads -c 1 -Q "$QUEUES" -n "${QUEUES%%,*}@%h" --loglevel INFO \
    --without-gossip --without-mingle --without-heartbeat
