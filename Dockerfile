# Both roles from one image: `node src/cli/main.ts gateway` and `node src/cli/main.ts worker`.
# Debian's libc, not Alpine's: the binaries of uWebSockets.js and Temporal's core are built for glibc.
FROM node:22.23-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# What `npm ci` builds last needs the sources, which are not here: so that a change of them does not fetch all anew.
RUN npm pkg delete scripts.prepare && npm ci --omit=dev

FROM node:22.23-bookworm-slim
ENV NODE_ENV=production TURNGATE_DATA=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json mcp.json policy.yaml ./
COPY agents ./agents
COPY examples ./examples
COPY src ./src
COPY scripts ./scripts
RUN node --input-type=module -e "import { buildPage } from './scripts/build-page.ts'; await buildPage('dist/page')"
RUN mkdir -p /data/workspace && chown -R node:node /data
USER node
VOLUME /data
CMD ["node", "src/cli/main.ts", "gateway"]
