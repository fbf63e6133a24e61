# The settle command in an image: built with everything, run with what it needs.
# The base is named by version, not by digest; pin it before you run this with money (SECURITY.md).
FROM node:22.23-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

FROM node:22.23-bookworm-slim
# Temporal's native library speaks TLS with the system's certificates.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image has a Node of its own; the ones from npm are for bare machines.
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force && rm -rf node_modules/node-linux-* node_modules/.bin/node
COPY --from=build /app/dist dist
COPY drizzle drizzle
USER node
ENTRYPOINT ["node", "dist/cli.js"]
CMD ["worker"]
