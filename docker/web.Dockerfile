# The web image: the site, its API and recovery. No torch.  docker build -f docker/web.Dockerfile -t boxwise-web .
FROM python:3.11-slim AS build
WORKDIR /opt/boxwise
COPY requirements-uv.lock requirements.lock docker/requirements-web.lock /tmp/
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements-uv.lock \
 && uv venv /opt/venv \
 && uv pip sync --no-cache --python /opt/venv/bin/python --require-hashes /tmp/requirements-web.lock
ENV PATH=/opt/venv/bin:$PATH
COPY frontend frontend
RUN cd frontend && npm ci --no-audit --no-fund && npm run build && rm -rf node_modules
COPY manage.py pyproject.toml README.md LICENSE ./
COPY client client
COPY inference inference
COPY labeling labeling
# The command `boxwise` and its entry points; the code stays where it is copied to.
RUN uv pip install --no-cache --python /opt/venv/bin/python --no-deps --build-constraints /tmp/requirements.lock \
    -e client -e .
# These values only let the settings load; nothing of them stays in the image.
RUN SECRET_KEY=only-to-collect-the-static-files-in-this-build-step ALLOWED_HOSTS=localhost \
    DATABASE_URL=postgresql:///none BROKER_URL=redis://none STORAGE_URL=file:///none STATIC_ROOT=/opt/static \
    python manage.py collectstatic --noinput

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 boxwise && install -d -o boxwise /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/static /opt/static
COPY --from=build /opt/boxwise /opt/boxwise
WORKDIR /opt/boxwise
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 STATIC_ROOT=/opt/static BOXWISE_DATA_DIR=/data
USER boxwise
EXPOSE 8000
CMD ["uvicorn", "labeling.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--no-server-header", \
     "--timeout-graceful-shutdown", "5"]
