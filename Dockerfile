# Lotkeeper as an image: the dashboard is built with Node.js, the environment with uv, and neither is in the result.
#
#   docker build -t lotkeeper .
#
# Mirrors and certificates of your own: --build-arg and the usual environment of npm, pip and uv.

ARG PYTHON_VERSION=3.13
ARG NODE_VERSION=24

FROM node:${NODE_VERSION}-slim AS web
WORKDIR /src/services/api/web
COPY services/api/web/package.json services/api/web/package-lock.json services/api/web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY services/api/web/ ./
RUN npm run build

FROM python:${PYTHON_VERSION}-slim AS build
ENV PYTHONDONTWRITEBYTECODE=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1
RUN python -m pip install --no-cache-dir uv==0.13.8 && uv venv /opt/lotkeeper
ENV VIRTUAL_ENV=/opt/lotkeeper
WORKDIR /src
# The dependencies first: they change less often than the source, so this layer is kept.
COPY requirements-runtime.lock ./
RUN uv pip sync --require-hashes requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY core/ core/
COPY models/ models/
COPY migrations/ migrations/
COPY services/ services/
COPY --from=web /src/services/api/static/ services/api/static/
RUN rm -r services/api/web && uv pip install --no-deps .

FROM python:${PYTHON_VERSION}-slim AS runtime
LABEL org.opencontainers.image.title="Lotkeeper" \
      org.opencontainers.image.description="Keeps an Interactive Brokers portfolio in its owner's own database" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 lotkeeper \
    && useradd --uid 10001 --gid lotkeeper --home-dir /var/lib/lotkeeper --create-home --shell /usr/sbin/nologin lotkeeper
COPY --from=build /opt/lotkeeper /opt/lotkeeper
ENV PATH=/opt/lotkeeper/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOTKEEPER_HOME=/var/lib/lotkeeper \
    LOTKEEPER_API_HOST=0.0.0.0
WORKDIR /var/lib/lotkeeper
USER 10001:10001
EXPOSE 8321
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('LOTKEEPER_API_PORT', '8321')}/livez\", timeout=3)"]
ENTRYPOINT ["lotkeeper"]
CMD ["api"]
